// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/append/spec.h"

namespace pagejit::append {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::append
