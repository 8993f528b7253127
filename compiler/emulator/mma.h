// The arithmetic of the tensor cores, and which lane holds which element.
#pragma once
#include <array>
#include <cstdint>

namespace pagejit::emulator {

/// What one lane brings to a warp's operation, and what it takes away; bit for bit.
using LaneWords = std::array<std::uint32_t, 12>;

/// D = A·B + C of m16n8k16 over the 32 lanes of a warp. A lane brings A in words 0…3, B in 4 and 5 (two 16-bit elements
/// a word) and C in 6…9 (f32); D comes out in 0…3. Products are exact; they are added to C one by one from k = 0
/// upwards, each sum rounded to f32. Real tensor cores add in another order and keep other bits: compare within a
/// tolerance.
void mma_m16n8k16(const std::array<LaneWords, 32>& in, std::array<LaneWords, 32>& out, float (*widen)(std::uint16_t));

}  // namespace pagejit::emulator
