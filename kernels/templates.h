// From a request to the template that it names. Only in builds with the compiler.
#pragma once
#include "compiler/emitted.h"
#include "runtime/base/request.h"

namespace pagejit {

/// Runs the template for one target. Throws Error(argument) for a line that no family takes.
Emitted emit_kernel(const Request& request, Lowering& lowering);

}  // namespace pagejit
