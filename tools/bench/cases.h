// Runs a case: the kernel and the device's own copy in turn.
#pragma once
#include <optional>

#include "tools/bench/workload.h"
#include "tools/stopwatch.h"

namespace pagejit::bench {

/// Those of all families.
std::vector<Case> all_cases(const Tuning& tuning, bool emulated);

struct CaseResult {
  Case what;
  std::string spec;
  std::uint64_t bytes = 0;  // each input once, each output once
  double flops = 0;         // of a kernel that multiplies matrices; else 0
  double read_gbps = 0;     // reading alone, in the same run
  Timing kernel, copy;      // the copy moves as many bytes, timed in the same way
  int copies = 1;           // sets of buffers taken in turn
  std::string skipped;      // why it was not run

  double gbps() const { return kernel.median > 0 ? static_cast<double>(bytes) / kernel.median / 1e3 : 0; }
  double copy_gbps() const { return copy.median > 0 ? static_cast<double>(bytes) / copy.median / 1e3 : 0; }
  double of_copy() const { return copy.median > 0 && kernel.median > 0 ? copy.median / kernel.median : 0; }
  double of_read() const { return read_gbps > 0 ? gbps() / read_gbps : 0; }
  double tflops() const { return kernel.median > 0 ? flops / kernel.median / 1e6 : 0; }
  /// Whether the bar is met; nothing where there is none.
  std::optional<bool> met() const;
};

CaseResult run_case(Context& context, Stopwatch& watch, const Case& what, double read_gbps);

}  // namespace pagejit::bench
