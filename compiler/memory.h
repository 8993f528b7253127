// How many neighbouring registers one access can serve.
#pragma once
#include "compiler/tile.h"

namespace pagejit {

/// The registers from `first` on that one access may move: a power of two, contiguous, aligned to its own size, under
/// one mask, at most `widest` bytes. `mask` may be empty.
int run_length(const Tile& address, const Tile& mask, int first, int elem_bytes, int total, int widest);

}  // namespace pagejit
