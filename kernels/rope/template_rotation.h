// The columns that a thread holds, and their rotation.
#pragma once
#include <vector>

#include "compiler/kernel.h"
#include "compiler/numbers.h"
#include "kernels/rope/template_blocks.h"

namespace pagejit::rope {

/// A thread's columns of a head, one tile for each access; `first` is the thread's first pair (rotated) or column.
/// neox: the pairs' first halves, then their second ones.
std::vector<Tile> columns_of(Kernel& k, const Spec& s, int part, const Value& first);

/// Cosines and sines of a thread's pairs.
struct Angles {
  Tile cosine, sine;
};
Angles load_angles(Kernel& k, const Spec& s, const Lists& lists, const Value& position, const Value& first_pair,
                   const Value& live);

/// y of x, both f32 and in the order of columns_of. One product is rounded, the other fused into the sum.
std::vector<Tile> rotate(Kernel& k, const Spec& s, const std::vector<Tile>& x, const Angles& a);

}  // namespace pagejit::rope
