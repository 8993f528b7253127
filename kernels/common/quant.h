// How caches are quantised: the words that all families share. Formats and formulas: docs/kernels/formats.md.
#pragma once
#include <array>
#include <string_view>
#include <utility>

#include "runtime/base/elem.h"

namespace pagejit {

/// The way from a cache's codes to numbers. K and V have one each: turbo's K is turbo4, its V turbo2.
enum class Quant : unsigned char {
  none,       // the elements themselves
  fp8,        // e4m3 or e5m2 and an f32 scale, of the tensor or of each head
  fp8_group,  // e4m3 and an f32 scale for each 128 neighbours of a row, the last group may be short
  int8,       // a byte, and a pair (scale, zero) for each row and head
  int4,       // the same with half a byte: element j in the low half of byte j, element j + dim / 2 in the high half
  turbo4,     // of the row rotated by a Hadamard matrix: 3-bit codebook and a sign of the rest, packed as int4; (a, r)
  turbo2,     // of the row rotated: 2-bit codebook, four quarters of the row in one byte; (g)
};
constexpr auto enum_names(Quant) {
  return std::array<std::pair<Quant, std::string_view>, 7>{{{Quant::none, "none"},
                                                            {Quant::fp8, "fp8"},
                                                            {Quant::fp8_group, "fp8_group"},
                                                            {Quant::int8, "int8"},
                                                            {Quant::int4, "int4"},
                                                            {Quant::turbo4, "turbo4"},
                                                            {Quant::turbo2, "turbo2"}}};
}

/// How the f32 scale of a group follows from its largest magnitude `a`. Readers differ in what they expect.
enum class ScaleRule : unsigned char {
  blocked,  // max(a, 1e-6) · fl(1 / 448)
  mla,      // max(a / 448, 2^-126)
  indexer,  // max(a, 1e-4) / 448
};
constexpr auto enum_names(ScaleRule) {
  return std::array<std::pair<ScaleRule, std::string_view>, 3>{
      {{ScaleRule::blocked, "blocked"}, {ScaleRule::mla, "mla"}, {ScaleRule::indexer, "indexer"}}};
}

/// Neighbours that share a scale in Quant::fp8_group.
constexpr int group_size = 128;

/// Elements of a row that one stored element holds, as a power of two.
constexpr int code_shift(Quant q) {
  return q == Quant::turbo2 ? 2 : q == Quant::int4 || q == Quant::turbo4 ? 1 : 0;
}
constexpr int per_code(Quant q) {
  return 1 << code_shift(q);
}

/// Stored elements of a row of `dim`. No division: this is on the way of every launch.
constexpr int codes(Quant q, int dim) {
  return dim >> code_shift(q);
}

/// Numbers that stand beside each row and head: scale and zero, or scales of groups. 0 for none and fp8.
constexpr int metadata(Quant q, int dim) {
  if (q == Quant::int8 || q == Quant::int4 || q == Quant::turbo4) return 2;
  if (q == Quant::turbo2) return 1;
  return q == Quant::fp8_group ? (dim + group_size - 1) / group_size : 0;
}

/// Whether the metadata are in a type of the model's choice (else they are f32).
constexpr bool model_metadata(Quant q) {
  return q >= Quant::int8;
}

}  // namespace pagejit
