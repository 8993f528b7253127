// The two 16-bit float formats on a host that need know neither. Rounding is to nearest even; a NaN comes out as the
// machine's own (7fff, 7fffffff), whatever it carried.
#pragma once
#include <cstdint>

namespace pagejit {

float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

}  // namespace pagejit
