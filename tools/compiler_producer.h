// What this build's compiler says of itself, for programs that do not load it.
#pragma once
#include <string>

namespace pagejit {

/// The text of Compiler::producer(); empty where the build has no compiler.
inline std::string compiler_producer() {
#ifdef PAGEJIT_LLVM_VERSION
  return "llvm=" PAGEJIT_LLVM_VERSION "\n";
#else
  return "";
#endif
}

}  // namespace pagejit
