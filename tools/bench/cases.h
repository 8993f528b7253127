// What is measured: a row a case.
#pragma once
#include <pagejit/context.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/flatten_case.h"
#include "tools/stopwatch.h"

namespace pagejit::bench {

struct Case {
  std::string name;
  FlattenShape shape;
  bool replay = false;       // small: timed as graph replays over buffers that do not fit into L2 together
  double least_of_copy = 0;  // the bar, as a fraction of the device's own copy; 0: none
  double most_us = 0;        // the bar, in microseconds; 0: none
};

const std::vector<Case>& cases();

struct CaseResult {
  Case what;
  std::string spec;
  std::uint64_t bytes = 0;  // each cache row once, each output row once, lengths and page table once
  Timing kernel, copy;      // the copy moves as many bytes, timed in the same way
  int copies = 1;           // sets of buffers taken in turn
  std::string skipped;      // why it was not run

  double gbps() const { return kernel.median > 0 ? static_cast<double>(bytes) / kernel.median / 1e3 : 0; }
  double copy_gbps() const { return copy.median > 0 ? static_cast<double>(bytes) / copy.median / 1e3 : 0; }
  double of_copy() const { return copy.median > 0 && kernel.median > 0 ? copy.median / kernel.median : 0; }
  /// Whether the bar is met; nothing where there is none.
  std::optional<bool> met() const;
};

CaseResult run_case(Context& context, Stopwatch& watch, const Case& what);

}  // namespace pagejit::bench
