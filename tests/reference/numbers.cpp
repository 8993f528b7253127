#include "tests/reference/numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace pagejit::reference {
namespace {

struct Format {
  int exponent_bits, mantissa_bits;
  std::uint32_t saturated = 0;  // the code that everything too large becomes; 0: infinity
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};

Format format_of(Elem e) {
  switch (e) {
    case Elem::f32:
      return {8, 23};
    case Elem::f16:
      return {5, 10};
    case Elem::bf16:
      return {8, 7};
    case Elem::e4m3:
      return {4, 3, 0x7e};
    case Elem::e5m2:
      return {5, 2, 0x7b};
    default:
      throw std::invalid_argument("the reference knows floats only");
  }
}

std::uint32_t read_bits(Elem e, const std::byte* at) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, static_cast<std::size_t>(bytes(e)));
  return bits;
}

std::uint32_t magnitude_bits(const Format& f, double x) {
  std::uint32_t infinity = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
  std::uint32_t largest = f.saturated ? f.saturated : infinity;
  if (std::isnan(x)) return f.saturated ? 0x7f : infinity | 1u << (f.mantissa_bits - 1);
  if (std::isinf(x)) return largest;
  int least = 1 - f.bias(), exponent = x == 0 ? least : std::max(std::ilogb(x), least);
  double units = std::nearbyint(std::ldexp(x, f.mantissa_bits - exponent));  // ties to even
  // A subnormal has fewer units than one whole; units that carry over step into the next exponent by themselves.
  double whole = std::ldexp(1.0, f.mantissa_bits);
  if (units < whole) return static_cast<std::uint32_t>(units);
  auto bits = static_cast<std::uint32_t>(exponent - least + 1) << f.mantissa_bits;
  bits += static_cast<std::uint32_t>(units - whole);
  return std::min(bits, largest);
}

}  // namespace

double decode(Elem e, const std::byte* at) {
  Format f = format_of(e);
  std::uint32_t bits = read_bits(e, at), mantissa = bits & ((1u << f.mantissa_bits) - 1);
  int exponent = static_cast<int>(bits >> f.mantissa_bits & ((1u << f.exponent_bits) - 1));
  double sign = bits >> (f.exponent_bits + f.mantissa_bits) ? -1 : 1;
  if (e == Elem::e4m3) {  // its highest exponent is one like the others, but for the last code
    if (mantissa == 7 && exponent == 15) return std::nan("");
  } else if (exponent == (1 << f.exponent_bits) - 1) {
    return mantissa ? std::nan("") : sign * HUGE_VAL;
  }
  double fraction = std::ldexp(mantissa, -f.mantissa_bits);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - f.bias());
  return sign * std::ldexp(1 + fraction, exponent - f.bias());
}

void encode(Elem e, double value, std::byte* at) {
  Format f = format_of(e);
  std::uint32_t sign = std::signbit(value) && !std::isnan(value) ? 1u << (f.exponent_bits + f.mantissa_bits) : 0;
  std::uint32_t bits = sign | magnitude_bits(f, std::fabs(value));
  std::memcpy(at, &bits, static_cast<std::size_t>(bytes(e)));
}

bool is_nan(Elem e, const std::byte* at) {
  return std::isnan(decode(e, at));
}

}  // namespace pagejit::reference
