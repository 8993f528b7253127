#include "compiler/lowering.h"

namespace pagejit {

llvm::Type* operand_type(llvm::IRBuilder<>& b, char kind) {
  switch (kind) {
    case 'l':
    case 'p':
      return b.getInt64Ty();
    case 'f':
      return b.getFloatTy();
    case 'b':
      return b.getInt1Ty();
    case 'v':
      return b.getVoidTy();
    default:
      return b.getInt32Ty();
  }
}

}  // namespace pagejit
