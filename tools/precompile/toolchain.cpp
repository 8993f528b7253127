#include "tools/precompile/toolchain.h"

#include "tools/precompile/work.h"

#if PAGEJIT_WITH_COMPILER
#include "compiler/nvptx/compiler.h"
#include "compiler/target.h"
#include "kernels/templates.h"
#endif

namespace pagejit::precompile {

#if PAGEJIT_WITH_COMPILER
std::shared_ptr<Compiler> make_toolchain() {
  return make_nvptx_compiler(emit_kernel);
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const Target& t : targets())
    if (!t.is_emulator()) names.emplace_back(t.name);  // emulator code is never stored
  return names;
}
#else
std::shared_ptr<Compiler> make_toolchain() {
  return nullptr;
}
std::vector<std::string> target_names() {
  return {};
}
#endif

}  // namespace pagejit::precompile
