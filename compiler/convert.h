// A tile in another layout.
#pragma once
#include "compiler/kernel.h"

namespace pagejit {

/// The same elements, held as `to` says; every thread of the block must come here. The cheapest way there is:
///   none, registers   nothing
///   shuffles          one a register (two for i64), and a few selects
///   shared            barrier, store, barrier, load: a buffer of its own, vectors where both sides allow, no conflicts
///
/// `ordered`: a barrier always comes between two turns of a loop that reach this place; then the first one is left out.
Tile convert(Kernel& k, const Tile& a, const Layout& to, bool ordered = false);

}  // namespace pagejit
