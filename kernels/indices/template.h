// The kernels, as the tile language emits them.
#pragma once
#include "compiler/kernel.h"
#include "kernels/indices/spec.h"

namespace pagejit::indices {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::indices
