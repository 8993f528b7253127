#include "tools/precompile/toolchain.h"

#include <fmt/format.h>

#include "runtime/base/error.h"

#if PAGEJIT_WITH_COMPILER
#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/SHA256.h>

#include "compiler/nvptx/compiler.h"
#include "kernels/templates.h"
#endif

namespace pagejit::precompile {

#if PAGEJIT_WITH_COMPILER
std::shared_ptr<Compiler> make_toolchain() {
  return make_nvptx_compiler(emit_kernel);
}

std::string sha256(std::string_view bytes) {
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(llvm::StringRef(bytes))), true);
}
#else
std::shared_ptr<Compiler> make_toolchain() {
  return nullptr;
}
std::string sha256(std::string_view) {
  return {};
}
#endif

std::shared_ptr<Compiler> need_toolchain() {
  if (auto toolchain = make_toolchain()) return toolchain;
  fail(Code::absent, "this build has no compiler, so it can precompile nothing",
       {{"to do", "use a build with -DPAGEJIT_WITH_COMPILER=ON; --check, --dry-run and --list work without"}});
}

}  // namespace pagejit::precompile
