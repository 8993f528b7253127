#include "compiler/emulator/fp8.h"

#include <algorithm>
#include <bit>

namespace pagejit {
namespace {

struct Format {
  int mantissa_bits;
  int least_exponent;  // of a normal number, with f32's bias
  std::uint32_t largest;
};
constexpr Format e4m3{3, 127 - 6, 0x7e}, e5m2{2, 127 - 14, 0x7b};

std::uint8_t rounded(float value, const Format& f) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value), magnitude = bits & 0x7fffffff, sign = bits >> 24 & 0x80;
  if (magnitude > 0x7f800000) return 0x7f;
  int exponent = static_cast<int>(magnitude >> 23), drop = 23 - f.mantissa_bits;
  std::uint32_t number = magnitude - (static_cast<std::uint32_t>(f.least_exponent - 1) << 23);
  if (exponent < f.least_exponent) {  // f32's own subnormals are far below half a step, their leading one or not
    number = (magnitude & 0x7fffff) | 0x800000;
    drop = std::min(drop + f.least_exponent - exponent, 31);
  }
  std::uint32_t half = 1u << (drop - 1), odd = number >> drop & 1;
  return static_cast<std::uint8_t>(sign | std::min((number + half - 1 + odd) >> drop, f.largest));
}

}  // namespace

float e4m3_to_f32(std::uint8_t code) {
  std::uint32_t sign = static_cast<std::uint32_t>(code & 0x80) << 24, magnitude = code & 0x7f;
  if (magnitude == 0x7f) return std::bit_cast<float>(0x7fffffffu);
  if (magnitude >= 8) return std::bit_cast<float>(sign | (magnitude + (120u << 3)) << 20);
  float tiny = static_cast<float>(magnitude) * 0x1p-9f;
  return sign ? -tiny : tiny;
}

std::uint8_t f32_to_e4m3(float value) {
  return rounded(value, e4m3);
}

std::uint8_t f32_to_e5m2(float value) {
  return rounded(value, e5m2);
}

}  // namespace pagejit
