// Products of matrices on the tensor cores: mma.sync m16n8k16, 16-bit operands, f32 sums.
#pragma once
#include <array>

#include "compiler/kernel.h"

namespace pagejit {

/// The layouts of a[m, k] · b[k, n] + c[m, n] for a grid of warps along m and n.
struct DotLayouts {
  Layout a, b, c;
};
DotLayouts dot_layouts(int m, int n, int k, std::array<int, 2> warps);

/// a · b + acc. `a` and `b` are f16 or bf16, both the same, and change their layout first if it is not the fragment's;
/// `acc` is f32 and in the layout of dot_layouts(…).c for some grid of the block's warps, as is the result.
Tile dot(Kernel& k, const Tile& a, const Tile& b, const Tile& acc);

/// A tile of f16 or bf16 in the layout of dot_layouts(…).c as the second operand [k, n] of a product that sums over its
/// rows, each warp having all rows of its columns: each 8 × 8 is turned round between threads.
Tile as_second_operand(Kernel& k, const Tile& c);

}  // namespace pagejit
