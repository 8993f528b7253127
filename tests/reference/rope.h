// Rotary embedding, quantisation and append in plain loops over host memory, one part of the heads at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/elem.h"

namespace pagejit::reference {

/// Where a token's output goes; padding goes nowhere.
struct RopePlace {
  bool padding = false;
  std::int64_t page = 0, row = 0;
};

/// Strides in elements. `in` and `out` point at the first element of the first head of the first token.
struct Rope {
  Elem from = Elem::bf16, to = Elem::bf16;
  std::int64_t heads = 0, dim = 0;
  const std::byte* in = nullptr;
  std::int64_t in_token = 0, in_head = 0;
  std::byte* out = nullptr;
  std::int64_t out_page = 0, out_row = 0, out_head = 0;
  std::vector<RopePlace> places;  // one a token

  bool rotated = false, neox = true;
  const float* table = nullptr;  // rows of dim: cosines, then sines
  std::int64_t table_row = 0;
  std::vector<std::int64_t> positions;  // one a token: rows of the table

  float scale = 1;
  bool zero_padding = false;  // else it is left as it was
};

/// Rounds as is promised: y is one rounded product and one fused sum, y · scale is rounded, then comes the code.
void rope(const Rope& r);

}  // namespace pagejit::reference
