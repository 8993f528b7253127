// What the device itself can do in this run: its own copy, and reading alone.
#pragma once
#include <pagejit/context.h>

#include "tools/stopwatch.h"

namespace pagejit::bench {

struct Ceilings {
  double copy_gbps = 0;  // the driver's device-to-device copy: read and write counted
  double read_gbps = 0;  // a kernel that only reads; 0: not measured, as without the compiler
};

Ceilings measure_ceilings(Context& context, Stopwatch& watch);

}  // namespace pagejit::bench
