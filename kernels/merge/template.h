// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/merge/spec.h"

namespace pagejit::merge {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::merge
