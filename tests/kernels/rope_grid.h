// A sample of all that rope can be asked: Specs, strides, lists, paddings. The same on the emulator and on a GPU.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tests/kernels/rope_case.h"

namespace pagejit::tests {

struct RopeGrid {
  std::size_t cases = 100;
  std::uint64_t seed = 1;
  std::int64_t elements = 60'000;  // of a case's queries, at most
};

/// Every value of every field comes up; which meet, the seed decides.
std::vector<RopeCase> rope_cases(const RopeGrid& grid);

/// Runs them: what went wrong, at most ten.
std::vector<std::string> run_rope_grid(Context& context, const RopeGrid& grid, const ForbidFunction& forbid = {});

}  // namespace pagejit::tests
