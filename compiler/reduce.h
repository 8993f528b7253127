// Sums and extremes along one dimension of a tile.
#pragma once
#include "compiler/kernel.h"

namespace pagejit {

enum class Reduce { sum, max, min };

/// The tile with `dim` of size 1, in layout()->slice(dim): every thread that held a part of a row has the row's result,
/// the same bit for bit, and it broadcasts back over the tile. Copies count once. In registers, then shuffles for the
/// lanes along `dim`, then shared memory and two barriers if warps lie along it (every thread of the block must come
/// here). max and min of floats leave NaN out; sums are in an order that the layout fixes.
///
/// `ordered`: a barrier always comes between two turns of a loop that reach this place; then the first one is left out.
Tile reduce(Kernel& k, const Tile& a, int dim, Reduce how, bool ordered = false);

}  // namespace pagejit
