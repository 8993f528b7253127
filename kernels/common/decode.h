// From stored codes to numbers: the other half of encode.h. Formats and formulas: docs/kernels/formats.md.
#pragma once
#include <vector>

#include "compiler/kernel.h"
#include "kernels/common/quant.h"

namespace pagejit {

/// Decodes rows of `dim` elements that are stored so. All of it is f32, with one rounding at most for each operation
/// of the formula; nothing becomes −0 unless its code is.
class Decoder {
 public:
  Decoder() = default;
  /// Emits what all rows share (turbo's codebook): before any loop that decodes, and where whole warps come.
  Decoder(Kernel& k, Quant quant, Elem stored, int dim);

  /// Stored elements, and for each of them (as f32) what metadata apply: scale; scale and zero; a and r; g. Gives
  /// per_code(quant) tiles: those that stand codes(quant, dim) elements apart in the row, from the first. Whole warps.
  /// Where codes and metadata are 0 the numbers are +0.
  std::vector<Tile> operator()(const Tile& codes, const std::vector<Tile>& metadata) const;

 private:
  Tile entry(const Tile& index) const;  // of the codebook

  Kernel* k_ = nullptr;
  Quant quant_ = Quant::none;
  Elem stored_ = Elem::u8;
  Value codebook_;  // f32: lane i holds the entry of every index that is i modulo 8 (K), modulo 4 (V)
};

}  // namespace pagejit
