// What a launch costs the host, against the driver's own call with everything ready.
#pragma once
#include <pagejit/context.h>

#include "tools/stopwatch.h"

namespace pagejit::bench {

struct HostTime {
  bool measured = false;
  // Microseconds a call: one that repeats the last but for its memory; one of another shape each time; the driver's.
  Timing flatten, changing, bare;
};

HostTime measure_host_time(Context& context, Stopwatch& watch);

}  // namespace pagejit::bench
