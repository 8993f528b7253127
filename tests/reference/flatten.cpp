#include "tests/reference/flatten.h"

#include <algorithm>
#include <cstring>

#include "tests/reference/decode.h"
#include "tests/reference/numbers.h"

namespace pagejit::reference {
namespace {

std::byte* out_row(const Flatten& f, std::int64_t row, std::int64_t head) {
  return f.out + (row * f.out_row_stride + head * f.out_head_stride) * bytes(f.to);
}

void copy_row(const Flatten& f, const std::byte* from, std::byte* to) {
  auto elements = static_cast<std::size_t>(f.dim);
  if (f.from == f.to) {
    std::memcpy(to, from, elements * static_cast<std::size_t>(bytes(f.to)));
    return;
  }
  for (std::int64_t d = 0; d < f.dim; ++d) encode(f.to, decode(f.from, from + d * bytes(f.from)), to + d * bytes(f.to));
}

/// Where a page's row of a head begins, in elements.
template <class T>
std::int64_t place(const T& t, std::int64_t page, std::int64_t row, std::int64_t head) {
  return page * t.page_stride + row * t.row_stride + head * t.head_stride;
}

void decode_to(const Flatten& f, const std::byte* codes, const std::byte* scales, std::byte* to) {
  QuantisedRow row{f.quant, f.from, static_cast<int>(f.dim), codes, {}};
  for (std::int64_t i = 0; i < f.scales.count; ++i)
    row.numbers.push_back(static_cast<float>(decode(f.scales.elem, scales + i * bytes(f.scales.elem))));
  std::vector<float> values = decode_row(row);
  for (std::size_t d = 0; d < values.size(); ++d) encode(f.to, values[d], to + static_cast<int>(d) * bytes(f.to));
}

void zero_row(const Flatten& f, std::int64_t row) {
  for (std::int64_t h = 0; h < f.heads; ++h)
    std::memset(out_row(f, row, h), 0, static_cast<std::size_t>(f.dim * bytes(f.to)));
}

}  // namespace

void flatten(const Flatten& f) {
  std::int64_t end = 0;
  std::vector<bool> owned(static_cast<std::size_t>(f.out_rows));
  for (std::size_t b = 0; b < f.lengths.size(); ++b) {
    end = std::max(end, f.starts[b] + f.lengths[b]);
    for (std::int64_t t = 0; t < f.lengths[b]; ++t) {
      std::int64_t row = f.starts[b] + t;
      if (row >= f.out_rows) break;
      owned[static_cast<std::size_t>(row)] = true;
      std::int64_t token = t + (f.offsets.empty() ? 0 : f.offsets[b]);
      std::int64_t page = f.pages[b][static_cast<std::size_t>(token / f.page)];
      for (std::int64_t h = 0; h < f.heads; ++h) {
        const std::byte* from = f.cache + place(f, page, token % f.page, h) * bytes(f.from);
        const std::byte* scales = f.scales.data + place(f.scales, page, token % f.page, h) * bytes(f.scales.elem);
        if (f.quant == Quant::none)
          copy_row(f, from, out_row(f, row, h));
        else
          decode_to(f, from, scales, out_row(f, row, h));
      }
    }
  }
  for (std::int64_t row = 0; row < f.out_rows; ++row) {
    bool cleared = row >= end ? f.zero_tail : f.zero_tail && f.zero_gaps;
    if (!owned[static_cast<std::size_t>(row)] && cleared) zero_row(f, row);
  }
}

}  // namespace pagejit::reference
