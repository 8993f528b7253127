#include "kernels/common/encode.h"

#include <cmath>
#include <limits>
#include <span>

#include "compiler/extremes.h"
#include "compiler/numbers.h"
#include "compiler/reduce.h"

namespace pagejit {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tile over_row(Kernel& k, const Tile& a, Reduce how) {
  Tile fields = a.layout()->shape()[1] > 1 ? reduce(k, a, 1, how) : a;
  return reduce(k, fields, 2, how);
}

/// What a number becomes once it is stored as `elem`, f32 again.
Tile rounded(const Tile& a, Elem elem) {
  return cast(cast(a, type_of(elem)), Type::f32);
}
/// From where on a magnitude rounds to infinity.
double limit_of(Elem elem) {
  if (elem == Elem::f16) return 65520;
  return elem == Elem::bf16 ? std::ldexp(511, 119) : infinity;  // 2^128 less half of the last place
}

/// Truncated and clamped to 0 … 2^width − 1, one code each; those of a byte packed, the first field lowest. `bounded`
/// says that no value reaches 2^width.
Tile packed(const Tile& values, int width, bool bounded) {
  if (width == 8) return to_u8(values);
  Tile codes = to_u8(
      bounded ? values : select(values >= static_cast<double>(1 << width), real(values, (1 << width) - 1), values));
  return packed_fields(codes, width);
}

/// scale = (max − min) / most, zero = −min / scale, code = trunc(x / scale + zero + ½). A row that is constant, or
/// whose scale or zero is too large for the metadata's type, has scale 1 and codes 0: it reads as its least element. A
/// row with a NaN has NaN for both, and codes 0.
Encoded affine(Kernel& k, const Encoding& e, const Tile& x, const Tile& exists, int width) {
  Extremes of_row = extremes(k, x, exists);
  Stepped row = in_steps(cast(x, Type::f32), of_row.least, of_row.most, (1 << width) - 1);
  double limit = limit_of(e.meta);
  Tile too_large = (row.scale >= limit) | (unary(Unary::abs, row.zero) >= limit);
  // Minus infinity keeps all codes of such a row at 0, and NaN is clamped to 0 too.
  Tile added = select(too_large, real(row.zero, -infinity), row.zero);
  Tile scale = select(too_large, real(row.scale, 1), row.scale);
  Tile zero = select(too_large, 0.0 - of_row.least, row.zero);
  // Numbers of 16 bits differ by 2^-11 of themselves at least: rounding then moves no code by more than 2^-7.
  return {packed(row.quotient + added + 0.5, width, bytes(e.model) == 2), {scale, zero}};
}

Encoded grouped(Kernel& k, const Encoding& e, const Tile& x) {
  Tile largest = reduce(k, unary(Unary::abs, x), 2, Reduce::max);
  Tile scale = group_scale(largest, e.scale_rule, e.power_of_two);
  return {to_fp8(code_quotient(x, scale), e.stored), {scale}};
}

/// x · H / √dim with the Hadamard matrix in its natural order, a butterfly for each bit of the element's number.
Tile rotated(Kernel& k, Tile x, int dim) {
  const Layout layout = *x.layout();
  for (int along : {2, 1})
    for (int bit = 0; (1 << bit) < layout.shape()[static_cast<std::size_t>(along)]; ++bit) {
      Tile upper = (k.arange(layout, along) & (1 << bit)) != 0;
      Tile other = flipped(k, x, along, bit);
      x = fma(x, select(upper, real(x, -1), real(x, 1)), other);
    }
  return x * (1 / std::sqrt(static_cast<double>(dim)));
}

/// The codebooks of turbo for numbers of variance 1, and what lies between their entries.
constexpr double book3[] = {-2.1519456, -1.3439093, -0.7560052, -0.2450942, 0.2450942, 0.7560052, 1.3439093, 2.1519456};
constexpr double edges3[] = {-1.7479274, -1.0499573, -0.5005497, 0, 0.5005497, 1.0499573, 1.7479274};
constexpr double edges2[] = {-0.9815992, 0, 0.9815992};

/// The norm of each row: √(Σ y² + 1e-8).
Tile norm(Kernel& k, const Tile& y) {
  return square_root(over_row(k, y * y, Reduce::sum) + 1e-8);
}

/// How many edges, divided by √dim, lie below each element: f32.
Tile index_among(const Tile& u, std::span<const double> edges, int dim) {
  Tile index = real(u, 0);
  for (std::size_t i = 0; i < edges.size(); ++i)
    index = select(u > edges[i] / std::sqrt(static_cast<double>(dim)), real(u, static_cast<double>(i + 1)), index);
  return index;
}

Encoded turbo4(Kernel& k, const Encoding& e, const Tile& x) {
  double root = std::sqrt(static_cast<double>(e.dim));
  Tile y = rounded(rotated(k, x, e.dim), e.model), size = norm(k, y), u = quotient(y, size);
  Tile index = index_among(u, edges3, e.dim), entry = real(u, book3[0] / root);
  for (std::size_t i = 0; i < std::size(edges3); ++i)
    entry = select(u > edges3[i] / root, real(u, book3[i + 1] / root), entry);
  Tile rest = u - entry;
  Tile code = select(rest >= 0.0, index + 8.0, index);
  return {packed(code, 4, true), {size, norm(k, rest) * (1 / root)}};
}

Encoded turbo2(Kernel& k, const Encoding& e, const Tile& x) {
  Tile y = rounded(rotated(k, x, e.dim), e.model), size = norm(k, y);
  return {packed(index_among(quotient(y, size), edges2, e.dim), 2, true), {size}};
}

}  // namespace

Tile group_scale(const Tile& largest, ScaleRule rule, bool power_of_two) {
  Tile scale;
  if (rule == ScaleRule::blocked) scale = maximum(largest, 1e-6) * (1.0 / 448);
  if (rule == ScaleRule::mla) scale = maximum(largest / 448.0, std::ldexp(1.0, -126));
  if (rule == ScaleRule::indexer) scale = maximum(largest, 1e-4) / 448.0;
  return power_of_two ? power_of_two_above(scale) : scale;
}

Encoded encode_rows(Kernel& k, const Encoding& e, const Tile& x, const Tile& exists) {
  if (e.quant == Quant::fp8_group) return grouped(k, e, cast(x, Type::f32));
  if (e.quant == Quant::turbo4) return turbo4(k, e, cast(x, Type::f32));
  if (e.quant == Quant::turbo2) return turbo2(k, e, cast(x, Type::f32));
  return affine(k, e, x, exists, e.quant == Quant::int8 ? 8 : 4);
}

}  // namespace pagejit
