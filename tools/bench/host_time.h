// What a launch costs the host, against the driver's own call with everything ready.
#pragma once
#include <pagejit/context.h>

#include "tools/stopwatch.h"

namespace pagejit::bench {

struct HostTime {
  bool measured = false;
  Timing flatten, bare;  // microseconds a call
};

HostTime measure_host_time(Context& context, Stopwatch& watch);

}  // namespace pagejit::bench
