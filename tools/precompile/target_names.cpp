// Apart from toolchain.cpp: programs that only name targets do not load LLVM.
#include "tools/precompile/toolchain.h"

#if PAGEJIT_WITH_COMPILER
#include "compiler/target.h"
#endif

namespace pagejit::precompile {

std::vector<std::string> target_names() {
  std::vector<std::string> names;
#if PAGEJIT_WITH_COMPILER
  for (const Target& t : targets())
    if (!t.is_emulator()) names.emplace_back(t.name);  // emulator code is never stored
#endif
  return names;
}

}  // namespace pagejit::precompile
