// The number formats that caches are stored in: bytes to floats and back, and the exact arithmetic of quantising.
//
// Codes come and go as i8, four to a register: what was loaded as one vector is decoded word by word, and what is
// encoded is ready to be stored as one vector.
#pragma once
#include <array>

#include "compiler/kernel.h"

namespace pagejit {

/// fp8 codes (i8, as loaded) as f32, exactly: subnormals, signed zeros, infinities (e5m2) and NaN included.
Tile from_fp8(const Tile& codes, Elem format);
/// f32 as fp8 codes: nearest, ties to even; beyond the finite range, infinities included, the largest finite value of
/// that sign; NaN gives 0x7f.
Tile to_fp8(const Tile& values, Elem format);
/// Bytes (i8, as loaded; 0 … 255) as f32, exactly.
Tile from_u8(const Tile& bytes);
/// Bits `shift` … `shift + width − 1` of each byte (i8) as f32, exactly: 4- and 2-bit codes.
Tile from_bits(const Tile& bytes, int shift, int width);
/// f32 as bytes: truncated, and clamped to 0 … 255; NaN gives 0.
Tile to_u8(const Tile& values);

/// x / y rounded to nearest even, bit for bit IEEE, for one y that serves many x (their layout or a slice of it): a
/// reciprocal, then four and a half instructions an x. So where a thread's every y is in [2^-60, 2^60) and its every x
/// is a zero or |x| in [2^-63, 2^65); a thread that holds others divides.
Tile quotient(const Tile& x, const Tile& y);
/// The same for codes that are no finer than 2^-40, of x that are at most 2^60 · y: three instructions an x, and no
/// look at x. A quotient below 2^-40 in magnitude may be another such number of its sign, or its zero.
Tile code_quotient(const Tile& x, const Tile& y);
/// The same for any x, infinities and NaN among them: four instructions.
Tile code_quotient_of_any(const Tile& x, const Tile& y);

/// A row of numbers counted in steps of its range.
struct Stepped {
  Tile scale, zero;  // (most − least) / steps, or 1 where that is 0 or least = most; −least / scale: IEEE's divisions
  Tile quotient;     // x / scale, as code_quotient gives it
};
/// `least` and `most` are those of each row of `x`, in a layout that broadcasts over it and of as many registers; NaN
/// for either gives NaN throughout. −0 has no sign as a least number.
Stepped in_steps(const Tile& x, const Tile& least, const Tile& most, int steps);

/// Codes (i8) below 2^width, several to a byte: the first of dim 1 lowest. A thread holds all of a byte.
Tile packed_fields(const Tile& codes, int width);
/// √x, correctly rounded.
Tile square_root(const Tile& x);
/// The smallest power of two that is not below x; for normal x > 0 up to 2^127.
Tile power_of_two_above(const Tile& x);

/// The tile whose element at coordinate c is a's at c xor (1 << bit) along `dim`: registers renamed, one shuffle a
/// register, or, if warps hold the other element, shared memory and two barriers (every thread of the block must come
/// here).
Tile flipped(Kernel& k, const Tile& a, int dim, int bit);

/// What a byte holds: a number, or two of half a byte.
enum class CodeFormat { e4m3, e5m2, u8, low4, high4 };
/// What an integer code of 1 comes as: the f16 of that one bit in its place, a subnormal, which products take in
/// exactly.
constexpr double code_unit(CodeFormat codes) {
  return codes == CodeFormat::high4 ? 0x1p-20 : codes == CodeFormat::u8 || codes == CodeFormat::low4 ? 0x1p-24 : 1;
}
/// Codes as f16, exactly, from words of four of them (i32, or registers 2i and 2i + 1 of 16-bit elements): of each word
/// bytes 0 and 2 in the first tile, 1 and 3 in the second, a pair a word; the layout is for the caller to name.
/// Integers come in units of code_unit().
std::array<Tile, 2> half_pairs(const Tile& words, CodeFormat codes);

namespace detail {
// fp8 where the machine has no such conversion: sm_80 and sm_86.
Tile from_fp8_by_integers(const Tile& codes, Elem format);
Tile to_fp8_by_integers(const Tile& values, Elem format);
}  // namespace detail

}  // namespace pagejit
