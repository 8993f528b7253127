// Element formats in plain double arithmetic: nothing of what is under test is used here.
#pragma once
#include <cstddef>

#include "runtime/base/elem.h"

namespace pagejit::reference {

// Floats only.
double decode(Elem e, const std::byte* at);
/// Rounds to nearest, ties to even; beyond the largest finite value to infinity; a NaN to some quiet NaN. fp8 saturates
/// instead, infinities too, and every NaN is 7f.
void encode(Elem e, double value, std::byte* at);
bool is_nan(Elem e, const std::byte* at);

}  // namespace pagejit::reference
