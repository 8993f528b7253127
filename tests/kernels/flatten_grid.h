// The grid of calls that every device must get right, sampled: as many cases as are asked for, from one seed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/flatten_case.h"

namespace pagejit::tests {

struct FlattenGrid {
  std::size_t cases = 100;
  std::uint64_t seed = 1;
  std::int64_t elements = 200'000;  // of K's output, about: what a case may cost
};

/// Each value of each axis comes up once before any comes up twice; how they meet is random.
std::vector<FlattenCase> flatten_cases(const FlattenGrid& grid);

/// Runs all; collects at most ten problems.
std::vector<std::string> run_flatten_grid(Context& context, const FlattenGrid& grid, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
