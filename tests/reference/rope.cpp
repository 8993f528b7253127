#include "tests/reference/rope.h"

#include <cmath>
#include <cstring>

#include "tests/reference/numbers.h"

namespace pagejit::reference {
namespace {

std::vector<float> read_row(const Rope& r, const std::byte* at) {
  std::vector<float> x(static_cast<std::size_t>(r.dim));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(decode(r.from, at + static_cast<std::ptrdiff_t>(i) * bytes(r.from)));
  return x;
}

std::vector<float> rotated(const Rope& r, const std::vector<float>& x, const float* angles) {
  std::size_t half = x.size() / 2;
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < half; ++i) {
    std::size_t a = r.neox ? i : 2 * i, b = r.neox ? i + half : 2 * i + 1;
    float c = angles[i], s = angles[i + half], across = x[b] * s, along = x[a] * s;
    y[a] = std::fma(x[a], c, -across);
    y[b] = std::fma(x[b], c, along);
  }
  return y;
}

void write_row(const Rope& r, const std::vector<float>& y, std::byte* at) {
  bool quantised = r.to != r.from;
  for (std::size_t i = 0; i < y.size(); ++i) {
    float value = quantised ? y[i] * r.scale : y[i];
    encode(r.to, static_cast<double>(value), at + static_cast<std::ptrdiff_t>(i) * bytes(r.to));
  }
}

}  // namespace

void rope(const Rope& r) {
  for (std::size_t t = 0; t < r.places.size(); ++t)
    for (std::int64_t h = 0; h < r.heads; ++h) {
      const RopePlace& to = r.places[t];
      const std::byte* in = r.in + (static_cast<std::int64_t>(t) * r.in_token + h * r.in_head) * bytes(r.from);
      std::byte* out = r.out + (to.page * r.out_page + to.row * r.out_row + h * r.out_head) * bytes(r.to);
      auto size = static_cast<std::size_t>(r.dim * bytes(r.to));
      if (to.padding) {
        if (r.zero_padding) std::memset(out, 0, size);
      } else if (!r.rotated && r.to == r.from) {
        std::memcpy(out, in, size);
      } else {
        std::vector<float> x = read_row(r, in);
        write_row(r, r.rotated ? rotated(r, x, r.table + r.positions[t] * r.table_row) : x, out);
      }
    }
}

}  // namespace pagejit::reference
