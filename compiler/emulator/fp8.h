// The two 8-bit float formats on a host that knows neither, as the machine's own conversions have them.
#pragma once
#include <cstdint>

namespace pagejit {

float e4m3_to_f32(std::uint8_t code);
/// To nearest even; beyond the largest finite value to that value, infinities too; NaN gives 0x7f.
std::uint8_t f32_to_e4m3(float value);
std::uint8_t f32_to_e5m2(float value);

}  // namespace pagejit
