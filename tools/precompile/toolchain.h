// The compiler, where this build has one.
#pragma once
#include <memory>

#include "runtime/base/artifact.h"

namespace pagejit::precompile {

/// Null without the compiler.
std::shared_ptr<Compiler> make_toolchain();

}  // namespace pagejit::precompile
