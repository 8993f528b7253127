// Arithmetic on single integer registers; elementwise.cpp spreads it over tiles.
#pragma once
#include "compiler/builder.h"
#include "compiler/tile.h"

namespace pagejit {

Reg integer(Kernel::Builder& b, Binary op, const Reg& x, const Reg& y, Type t);
Reg integer_compare(Kernel::Builder& b, Compare op, Reg x, Reg y, Type t);
Reg widen(Kernel::Builder& b, const Reg& x, Type from, Type to);

}  // namespace pagejit
