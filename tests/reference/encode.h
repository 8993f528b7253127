// Quantisers in plain double arithmetic, each fp32 rounding of the formulas written out. Shares no code with the
// kernels.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/quant.h"
#include "runtime/base/elem.h"

namespace pagejit::reference {

/// How a row becomes codes.
struct Encode {
  Quant quant = Quant::none;
  Elem in = Elem::bf16, stored = Elem::bf16, meta = Elem::f16;
  ScaleRule rule = ScaleRule::blocked;
  bool power_of_two = false;
  double scale = 1;  // of fp8
};

struct Encoded {
  std::vector<std::byte> codes;
  std::vector<std::byte> loose;  // of turbo: bits that hang on the order of a sum, and may differ
  std::vector<double> metadata;  // rounded to fp32, not yet to the type that they are stored in
};

/// One row of `dim` elements at `row`.
Encoded encode_row(const Encode& e, const std::byte* row, std::int64_t dim);

}  // namespace pagejit::reference
