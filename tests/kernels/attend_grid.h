// A sample of all that attention can be asked: Specs, shapes, lengths, strides, lists. The same on the emulator and on
// a GPU.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tests/kernels/attend_case.h"

namespace pagejit::tests {

struct AttendGrid {
  std::size_t cases = 100;
  std::uint64_t seed = 1;
  std::int64_t longest = 300;     // keys of a sequence
  std::int64_t work = 1'500'000;  // multiplications of a case, at most
  std::vector<Quant> quants = {Quant::none, Quant::none, Quant::none, Quant::fp8, Quant::int8, Quant::int4};
};

/// Every value of every field comes up; which meet, the seed decides.
std::vector<AttendCase> attend_cases(const AttendGrid& grid);

/// Runs them: what went wrong, at most ten.
std::vector<std::string> run_attend_grid(Context& context, const AttendGrid& grid, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
