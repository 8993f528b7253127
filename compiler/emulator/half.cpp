#include "compiler/emulator/half.h"

#include <bit>

namespace pagejit {
namespace {
constexpr std::uint16_t canonical_nan = 0x7fff;

/// `value` without its lowest `drop` bits (1 to 31), rounded to nearest even.
std::uint32_t round_off(std::uint32_t value, int drop) {
  std::uint32_t half = 1u << (drop - 1), odd = value >> drop & 1;
  return (value + half - 1 + odd) >> drop;
}
}  // namespace

float f16_to_f32(std::uint16_t bits) {
  std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  int exponent = bits >> 10 & 31;
  std::uint32_t fraction = bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(fraction ? 0x7fffffffu : sign | 0x7f800000u);
  if (exponent > 0)
    return std::bit_cast<float>(sign | static_cast<std::uint32_t>(exponent + 112) << 23 | fraction << 13);
  float tiny = static_cast<float>(fraction) * 0x1p-24f;  // exact: a subnormal of f16 is a normal f32
  return sign ? -tiny : tiny;
}

std::uint16_t f32_to_f16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value), magnitude = bits & 0x7fffffff;
  std::uint32_t sign = bits >> 16 & 0x8000;
  if (magnitude > 0x7f800000) return canonical_nan;
  if (magnitude >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);  // 65520 and more round to infinity
  int exponent = static_cast<int>(magnitude >> 23);
  if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below half of the smallest subnormal
  if (exponent < 113) {
    std::uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
    return static_cast<std::uint16_t>(sign | round_off(fraction, 126 - exponent));
  }
  return static_cast<std::uint16_t>(sign | round_off(magnitude - (112u << 23), 13));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return canonical_nan;
  return static_cast<std::uint16_t>(round_off(bits, 16));
}

}  // namespace pagejit
