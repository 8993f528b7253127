// A sample of all that merge can be asked: Specs, strides, places of the output, numbers of tokens with context. The
// same on the emulator and on a GPU.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tests/kernels/merge_case.h"

namespace pagejit::tests {

struct MergeGrid {
  std::size_t cases = 100;
  std::uint64_t seed = 1;
  std::int64_t elements = 30'000;  // of a case's output, at most
};

/// Every value of every field comes up; which meet, the seed decides.
std::vector<MergeCase> merge_cases(const MergeGrid& grid);

/// Runs them: what went wrong, at most ten.
std::vector<std::string> run_merge_grid(Context& context, const MergeGrid& grid, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
