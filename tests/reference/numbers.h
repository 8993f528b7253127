// Element formats in plain double arithmetic: nothing of what is under test is used here.
#pragma once
#include <cstddef>

#include "runtime/base/elem.h"

namespace pagejit::reference {

/// f32, f16 and bf16 only.
double decode(Elem e, const std::byte* at);
/// Rounds to nearest, ties to even; beyond the largest finite value to infinity; a NaN to some quiet NaN.
void encode(Elem e, double value, std::byte* at);
bool is_nan(Elem e, const std::byte* at);

}  // namespace pagejit::reference
