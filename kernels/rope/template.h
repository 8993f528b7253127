// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/rope/spec.h"

namespace pagejit::rope {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::rope
