#include "kernels/common/encode.h"

#include <cmath>
#include <limits>
#include <span>

#include "compiler/numbers.h"
#include "compiler/reduce.h"

namespace pagejit {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Tile over_row(Kernel& k, const Tile& a, Reduce how) {
  Tile fields = a.layout()->shape()[1] > 1 ? reduce(k, a, 1, how) : a;
  return reduce(k, fields, 2, how);
}

/// What a number becomes once it is stored as `elem`, f32 again.
Tile rounded(const Tile& a, Elem elem) {
  return cast(cast(a, type_of(elem)), Type::f32);
}
Tile is_finite(const Tile& a) {
  return unary(Unary::abs, a) < infinity;
}

/// Truncated and clamped to 0 … 2^width − 1, one code each; those of a byte packed, the first field lowest.
Tile packed(Kernel& k, const Tile& values, int width) {
  if (width == 8) return to_u8(values);
  Tile codes = minimum(maximum(cast(values, Type::i32), 0), (1 << width) - 1);
  Tile shifted = codes * (number(codes, 1) << (k.arange(*codes.layout(), 1) * width));
  return cast(reduce(k, shifted, 1, Reduce::sum), Type::i8);
}

/// scale = (max − min) / most, zero = −min / scale, code = trunc(x / scale + zero + ½). A row that is constant, or
/// whose scale or zero is too large for the metadata's type, has scale 1 and codes 0: it reads as its least element. A
/// row with a NaN has NaN for both, and codes 0.
Encoded affine(Kernel& k, const Encoding& e, const Tile& x, const Tile& exists, int width) {
  auto but = [&](double otherwise) { return exists ? select(exists, x, real(x, otherwise)) : x; };
  Tile least = over_row(k, but(infinity), Reduce::min);
  Tile most = over_row(k, but(-infinity), Reduce::max);
  Tile any_nan = over_row(k, cast(x != x, Type::i32), Reduce::max) != 0;
  Tile below = 0.0 - least;  // the minimum of 0 and −0 has either sign; so it has none here
  Tile scale = (most - least) / static_cast<double>((1 << width) - 1);
  Tile zero = below / scale;
  Tile usual = (least < most) & is_finite(rounded(scale, e.meta)) & is_finite(rounded(zero, e.meta));
  // Minus infinity keeps all codes of an unusual row at 0, and NaN is clamped to 0 too.
  Tile added = select(usual, zero, real(zero, -infinity));
  scale = select(any_nan, real(scale, nan), select(usual, scale, real(scale, 1)));
  zero = select(any_nan, real(zero, nan), select(usual, zero, below));
  return {packed(k, code_quotient(x, scale) + added + 0.5, width), {scale, zero}};
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
  return {packed(k, code, 4), {size, norm(k, rest) * (1 / root)}};
}

Encoded turbo2(Kernel& k, const Encoding& e, const Tile& x) {
  Tile y = rounded(rotated(k, x, e.dim), e.model), size = norm(k, y);
  return {packed(k, index_among(quotient(y, size), edges2, e.dim), 2), {size}};
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
  if (e.quant == Quant::fp8_group) return grouped(k, e, x);
  if (e.quant == Quant::turbo4) return turbo4(k, e, x);
  if (e.quant == Quant::turbo2) return turbo2(k, e, x);
  return affine(k, e, x, exists, e.quant == Quant::int8 ? 8 : 4);
}

}  // namespace pagejit
