// The compiler, where this build has one.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/artifact.h"

namespace pagejit::precompile {

/// Null without the compiler.
std::shared_ptr<Compiler> make_toolchain();
/// Throws Error(absent) without the compiler.
std::shared_ptr<Compiler> need_toolchain();

/// The targets that this build compiles for; none without the compiler.
std::vector<std::string> target_names();

/// Hex digits; empty without the compiler, whose library computes it.
std::string sha256(std::string_view bytes);

}  // namespace pagejit::precompile
