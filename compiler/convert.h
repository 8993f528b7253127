// A tile in another layout.
#pragma once
#include <memory>

#include "compiler/kernel.h"

namespace pagejit {

/// The same elements, held as `to` says; every thread of the block must come here. The cheapest way there is:
///   none, registers   nothing
///   shuffles          one a register (two for i64), and a few selects
///   shared            barrier, store, barrier, load: a buffer of its own, vectors where both sides allow, no conflicts
///
/// `ordered`: a barrier always comes between two turns of a loop that reach this place; then the first one is left out.
Tile convert(Kernel& k, const Tile& a, const Layout& to, bool ordered = false);

/// The same registers under another layout's name, which says the same of them.
Tile relabelled(const Tile& a, std::shared_ptr<const Layout> layout);
Tile relabelled(const Tile& a, const Layout& layout);

}  // namespace pagejit
