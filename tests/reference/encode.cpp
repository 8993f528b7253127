#include "tests/reference/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/reference/numbers.h"

namespace pagejit::reference {
namespace {

using Row = std::vector<double>;
using Bytes = std::vector<std::byte>;
constexpr double infinity = std::numeric_limits<double>::infinity();

double f32(double x) {
  return static_cast<double>(static_cast<float>(x));
}

double through(Elem e, double x) {
  std::byte at[8];
  encode(e, x, at);
  return decode(e, at);
}

Bytes elements(Elem e, const Row& values) {
  Bytes all(values.size() * static_cast<std::size_t>(bytes(e)));
  for (std::size_t i = 0; i < values.size(); ++i) encode(e, values[i], &all[i * static_cast<std::size_t>(bytes(e))]);
  return all;
}

/// Codes of `width` bits, several to a byte: code j of the f-th part of the row in bits f · width of byte j.
Bytes pack(const std::vector<int>& codes, int width) {
  std::size_t parts = 8 / static_cast<std::size_t>(width), size = codes.size() / parts;
  Bytes all(size);
  for (std::size_t f = 0; f < parts; ++f)
    for (std::size_t j = 0; j < size; ++j)
      all[j] |= static_cast<std::byte>(codes[f * size + j] << (f * static_cast<std::size_t>(width)));
  return all;
}

Encoded affine(const Row& x, int width, Elem meta) {
  double least = infinity, most = -infinity, steps = (1 << width) - 1;
  bool has_nan = false;
  for (double v : x) {
    if (std::isnan(v))
      has_nan = true;
    else
      least = std::min(least, v), most = std::max(most, v);
  }
  std::vector<int> q(x.size());
  if (has_nan) return {pack(q, width), {}, {std::nan(""), std::nan("")}};
  double below = least == 0 ? 0 : -least, s = f32(f32(most - least) / steps), z = f32(below / s);
  if (!(least < most) || !std::isfinite(through(meta, s)) || !std::isfinite(through(meta, z)))
    return {pack(q, width), {}, {1, below}};
  for (std::size_t i = 0; i < x.size(); ++i)
    q[i] = static_cast<int>(std::clamp(std::trunc(f32(f32(f32(x[i] / s) + z) + 0.5)), 0.0, steps));
  return {pack(q, width), {}, {s, z}};
}

double next_power_of_two(double x) {
  if (std::isinf(x)) return x;
  int exponent;
  return std::frexp(x, &exponent) == 0.5 ? x : std::ldexp(1, exponent);
}

double scale_of(double largest, ScaleRule rule) {
  switch (rule) {
    case ScaleRule::blocked:
      return f32(std::max(largest, f32(1e-6)) * f32(1.0 / 448));
    case ScaleRule::mla:
      return std::max(f32(largest / 448), std::ldexp(1, -126));
    case ScaleRule::indexer:
      return f32(std::max(largest, f32(1e-4)) / 448);
  }
  return 0;
}

Encoded grouped(const Row& x, const Encode& e) {
  Encoded r;
  Row scaled(x.size());
  for (std::size_t first = 0; first < x.size(); first += 128) {
    std::size_t last = std::min(first + 128, x.size());
    double largest = 0;
    for (std::size_t i = first; i < last; ++i)
      if (std::fabs(x[i]) > largest) largest = std::fabs(x[i]);
    double s = scale_of(largest, e.rule);
    if (e.power_of_two) s = next_power_of_two(s);
    for (std::size_t i = first; i < last; ++i) scaled[i] = f32(x[i] / s);
    r.metadata.push_back(s);
  }
  r.codes = elements(e.stored, scaled);
  return r;
}

/// x · H / √n with H(i, j) = (−1)^popcount(i & j), rounded to the model's type.
Row rotate(const Row& x, Elem model) {
  Row y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < x.size(); ++j) sum += __builtin_parityll(i & j) ? -x[j] : x[j];
    y[i] = through(model, f32(f32(sum) * f32(1 / std::sqrt(static_cast<double>(x.size())))));
  }
  return y;
}

double norm(const Row& y) {
  double sum = 1e-8;
  for (double v : y) sum += v * v;
  return std::sqrt(sum);
}

struct Book {
  Row entries, edges;
};
const Book book3{{-2.1519456, -1.3439093, -0.7560052, -0.2450942, 0.2450942, 0.7560052, 1.3439093, 2.1519456},
                 {-1.7479274, -1.0499573, -0.5005497, 0, 0.5005497, 1.0499573, 1.7479274}};
const Book book2{{-1.5104176, -0.4527808, 0.4527808, 1.5104176}, {-0.9815992, 0, 0.9815992}};

/// A row of zeros has indices that hang on nothing; elsewhere a number this near an edge may fall on either side.
bool near(double u, double edge, double root) {
  return u != 0 && std::fabs(u - edge / root) * root < std::ldexp(1, -10);
}

Encoded turbo(const Row& x, const Encode& e, const Book& book, int width) {
  double root = std::sqrt(static_cast<double>(x.size()));
  Row y = rotate(x, e.in), rest(x.size());
  double size = norm(y);
  std::vector<int> codes(x.size()), loose(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double u = y[i] / size;
    int index = 0;
    for (double edge : book.edges) {
      index += u > edge / root;
      if (near(u, edge, root)) loose[i] = (1 << width) - 1;
    }
    double entry = book.entries[static_cast<std::size_t>(index)];
    rest[i] = u - entry / root;
    codes[i] = width == 4 && rest[i] >= 0 ? index | 8 : index;
    if (width == 4 && near(u, entry, root)) loose[i] |= 8;
  }
  Encoded r{pack(codes, width), pack(loose, width), {size}};
  if (width == 4) r.metadata.push_back(norm(rest) / root);
  return r;
}

}  // namespace

Encoded encode_row(const Encode& e, const std::byte* row, std::int64_t dim) {
  if (e.quant == Quant::none && e.in == e.stored) return {{row, row + dim * bytes(e.in)}, {}, {}};
  Row x;
  for (std::int64_t i = 0; i < dim; ++i) x.push_back(decode(e.in, row + i * bytes(e.in)));
  switch (e.quant) {
    case Quant::none:
      return {elements(e.stored, x), {}, {}};
    case Quant::fp8:
      for (double& v : x) v = f32(v / e.scale);
      return {elements(e.stored, x), {}, {}};
    case Quant::fp8_group:
      return grouped(x, e);
    case Quant::int8:
      return affine(x, 8, e.meta);
    case Quant::int4:
      return affine(x, 4, e.meta);
    case Quant::turbo4:
      return turbo(x, e, book3, 4);
    case Quant::turbo2:
      return turbo(x, e, book2, 2);
  }
  return {};
}

}  // namespace pagejit::reference
