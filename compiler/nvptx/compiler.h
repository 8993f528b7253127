// The compiler that the host-facing library plugs into the runtime: a request in, PTX out.
#pragma once
#include <functional>
#include <memory>

#include "compiler/emitted.h"
#include "runtime/base/artifact.h"

namespace pagejit {

/// Runs the template that `request` names, on the given target.
using EmitFunction = std::function<Emitted(const Request& request, Lowering& lowering)>;

struct NvptxOptions {
  bool keep_ir = true;  // Artifact::ir: the IR before optimisation
};

std::shared_ptr<Compiler> make_nvptx_compiler(EmitFunction emit, NvptxOptions options = {});

}  // namespace pagejit
