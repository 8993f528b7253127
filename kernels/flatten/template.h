// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/flatten/spec.h"

namespace pagejit::flatten {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::flatten
