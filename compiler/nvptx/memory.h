// Loads and stores as predicated PTX: a false mask costs no branch, so that many accesses stay in flight together.
#pragma once
#include "compiler/lowering.h"

namespace pagejit::nvptx {

llvm::Value* load(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* mask);
void store(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* value, llvm::Value* mask);

}  // namespace pagejit::nvptx
