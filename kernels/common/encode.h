// From numbers to the codes that a cache stores: the other half of decode.h. Formulas: docs/kernels/formats.md.
//
// Rows lie in tiles [items, fields, columns], element field · width + column. The fields of an item lie in registers
// where they are packed into one byte, so packing moves nothing between threads.
#pragma once
#include <vector>

#include "compiler/kernel.h"
#include "kernels/common/quant.h"

namespace pagejit {

/// How rows become codes.
struct Encoding {
  Quant quant;
  Elem model;   // of the rows; turbo's rotated row is rounded to it
  Elem stored;  // fp8's format
  Elem meta;    // what the metadata are rounded to
  int dim;
  ScaleRule scale_rule;
  bool power_of_two;
};

/// Codes of rows, and what stands beside them.
struct Encoded {
  Tile codes;                  // [items, 1, columns] packed; fp8_group: [items, fields, columns]
  std::vector<Tile> metadata;  // f32, each [items, 1, 1]; fp8_group: one, [items, fields, 1]
};

/// Encodes rows `x` of the model's type. `exists` says which elements are there (empty: all); the others must be 0 and
/// count for nothing. Not for none and fp8, which need no row.
Encoded encode_rows(Kernel& k, const Encoding& e, const Tile& x, const Tile& exists);

/// The scale of a group from its largest magnitude, both f32.
Tile group_scale(const Tile& largest, ScaleRule rule, bool power_of_two);

}  // namespace pagejit
