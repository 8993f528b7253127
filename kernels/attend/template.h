// The kernel, as the tile language emits it.
#pragma once
#include "compiler/kernel.h"
#include "kernels/attend/spec.h"

namespace pagejit::attend {

void emit(Kernel& k, const Spec& s);

}  // namespace pagejit::attend
