// Rows of quantised caches as numbers, in plain loops. Each operation of a formula is rounded to f32, as documented.
#pragma once
#include <cstddef>
#include <vector>

#include "kernels/common/quant.h"
#include "runtime/base/elem.h"

namespace pagejit::reference {

/// A quantised row: its codes, and the numbers that apply to it (f32 values: scales of groups; scale and zero; a and r;
/// g).
struct QuantisedRow {
  Quant quant = Quant::none;
  Elem stored = Elem::u8;
  int dim = 0;
  const std::byte* codes = nullptr;
  std::vector<float> numbers;
};

/// The row's `dim` elements, f32. Not for Quant::none.
std::vector<float> decode_row(const QuantisedRow& row);

}  // namespace pagejit::reference
