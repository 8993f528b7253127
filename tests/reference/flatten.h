// flatten in plain loops over host memory, one tensor at a time. Shares no code with the kernel.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/common/quant.h"
#include "runtime/base/elem.h"

namespace pagejit::reference {

/// Metadata of a quantised cache: `count` numbers a page, row and head (strides 0 where they are shared).
struct Scales {
  const std::byte* data = nullptr;
  Elem elem = Elem::f32;
  std::int64_t count = 0, page_stride = 0, row_stride = 0, head_stride = 0;
};

/// Strides in elements. `cache` and `out` point at the first element of the first head of the first row.
struct Flatten {
  Elem from = Elem::bf16, to = Elem::bf16;
  Quant quant = Quant::none;
  std::int64_t heads = 0, dim = 0, page = 0;
  const std::byte* cache = nullptr;
  std::int64_t page_stride = 0, row_stride = 0, head_stride = 0;
  Scales scales;
  std::byte* out = nullptr;
  std::int64_t out_rows = 0, out_row_stride = 0, out_head_stride = 0;

  std::vector<std::int64_t> lengths, starts;     // one a sequence
  std::vector<std::int64_t> offsets;             // the token of its first row; empty: 0
  std::vector<std::vector<std::int64_t>> pages;  // page ids of each sequence
  bool zero_tail = true, zero_gaps = false;
};

void flatten(const Flatten& f);

}  // namespace pagejit::reference
