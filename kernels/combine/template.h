// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/combine/spec.h"

namespace pagejit::combine {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::combine
