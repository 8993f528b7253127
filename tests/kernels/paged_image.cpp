#include "tests/kernels/paged_image.h"

#include <algorithm>

namespace pagejit::tests {
namespace {

constexpr std::int64_t guard = 64;  // bytes on both sides

}  // namespace

PagedImage::PagedImage(Elem e, const PagedShape& s) : elem(e), shape(s) {
  auto up = [&](std::int64_t n) { return (n + s.unit - 1) / s.unit * s.unit; };
  std::int64_t cell = up(s.width + s.shift), inner = up(cell * (s.nhd ? s.heads : s.page) + s.shift),
               one_page = up(inner * (s.nhd ? s.page : s.heads) + s.shift);
  row_stride = s.nhd ? inner : cell;
  head_stride = s.nhd ? cell : inner;
  page_stride = one_page * s.layers;
  offset = guard / pagejit::bytes(e) + up(s.shift) + one_page * (s.layers / 2);
  auto size = static_cast<std::size_t>((offset + s.pages * page_stride) * pagejit::bytes(e) + guard);
  bytes.assign(size, std::byte{0xff});
  live_.assign(size, false);
}

std::byte* PagedImage::live(std::int64_t page, std::int64_t row, std::int64_t head, std::int64_t first,
                            std::int64_t count) {
  std::int64_t at =
      (offset + page * page_stride + row * row_stride + head * head_stride) * pagejit::bytes(elem) + first;
  std::fill_n(live_.begin() + at, count, true);
  return bytes.data() + at;
}

void PagedImage::upload(Context& context, const char* label) {
  buffer = DeviceBuffer(context, bytes, label);
}

void PagedImage::poison_dead(const PoisonFunction& poison) const {
  poison_runs(buffer, live_, poison);
}

Tensor PagedImage::tensor() const {
  const std::byte* at = buffer.data() + offset * pagejit::bytes(elem);
  const PagedShape& s = shape;
  if (s.nhd) return {at, elem, {s.pages, s.page, s.heads, s.width}, {page_stride, row_stride, head_stride, 1}};
  return {at, elem, {s.pages, s.heads, s.page, s.width}, {page_stride, head_stride, row_stride, 1}};
}

void poison_runs(const DeviceBuffer& buffer, const std::vector<bool>& live, const PoisonFunction& poison) {
  for (std::size_t i = 0; i < live.size();) {
    std::size_t end = i + 1;
    while (end < live.size() && live[end] == live[i]) ++end;
    if (!live[i]) poison(buffer.data() + i, end - i);
    i = end;
  }
}

}  // namespace pagejit::tests
