// How fast a kernel moves its bytes, against the device's own copy of as many bytes in the same run.
#pragma once
#include "tools/demo/report.h"
#include "tools/demo/serving.h"

namespace pagejit::demo {

/// Fills in the times of the kernel that `work` launches.
void measure_bandwidth(Context& context, const Workload& work, KernelReport& kernel);

}  // namespace pagejit::demo
