// The grid of calls that every device must get right, sampled: as many cases as are asked for, from one seed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/append_case.h"

namespace pagejit::tests {

struct AppendGrid {
  std::size_t cases = 100;
  std::uint64_t seed = 1;
  std::int64_t elements = 60'000;  // of K's input, about: what a case may cost
};

std::vector<AppendCase> append_cases(const AppendGrid& grid);

/// Runs all; collects at most ten problems.
std::vector<std::string> run_append_grid(Context& context, const AppendGrid& grid, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
