// IR for the GPU to PTX text, the same byte for byte for the same IR.
#pragma once
#include <map>
#include <string>

#include "compiler/emitted.h"

namespace pagejit::nvptx {

struct Text {
  std::string ir;  // before optimisation
  std::string optimised;
  std::string ptx;
  std::map<std::string, double> ms;  // stage → milliseconds
};

/// Verifies, optimises and prints. `keep_ir`: fill `ir` and `optimised` too. Throws Error(compile | internal).
Text generate(Emitted& kernel, const Target& target, bool keep_ir);

/// "22.1.8": the LLVM that is linked.
std::string llvm_version();

}  // namespace pagejit::nvptx
