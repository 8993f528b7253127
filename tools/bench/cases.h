// Runs a case: the kernel and the device's own copy in turn.
#pragma once
#include <optional>

#include "tools/bench/workload.h"
#include "tools/stopwatch.h"

namespace pagejit::bench {

/// Those of all families.
std::vector<Case> all_cases(const Tuning& tuning, bool emulated);
/// Each case, and behind it the same with tensors that are views: its name ends in -view.
std::vector<Case> cases_and_views(Tuning tuning, bool emulated);

constexpr double least_of_packed = 0.97;  // the bar of a view

struct CaseResult {
  Case what;
  std::string spec;
  std::uint64_t bytes = 0;          // each input once, each output once
  double flops = 0;                 // of a kernel that multiplies matrices; else 0
  double read_gbps = 0;             // reading alone, in the same run
  Timing kernel, copy;              // the copy moves as many bytes, timed in the same way
  int copies = 1;                   // sets of buffers taken in turn
  std::string skipped;              // why it was not run
  std::optional<double> of_packed;  // a view's: its speed as a fraction of its packed twin's

  double gbps() const { return kernel.median > 0 ? static_cast<double>(bytes) / kernel.median / 1e3 : 0; }
  double copy_gbps() const { return copy.median > 0 ? static_cast<double>(bytes) / copy.median / 1e3 : 0; }
  double of_copy() const { return copy.median > 0 && kernel.median > 0 ? copy.median / kernel.median : 0; }
  double of_read() const { return read_gbps > 0 ? gbps() / read_gbps : 0; }
  double tflops() const { return kernel.median > 0 ? flops / kernel.median / 1e6 : 0; }
  /// Of a view: the case run just before it, its packed twin unless that was left out.
  void compare_with(const CaseResult& packed);
  /// Whether the bar is met; nothing where there is none.
  std::optional<bool> met() const;
};

CaseResult run_case(Context& context, Stopwatch& watch, const Case& what, double read_gbps);

}  // namespace pagejit::bench
