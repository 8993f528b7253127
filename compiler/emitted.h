// A kernel after its template has run: IR for one target, not yet optimised.
#pragma once
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <vector>

#include "compiler/lowering.h"
#include "runtime/base/artifact.h"

namespace pagejit {

struct Emitted {
  std::unique_ptr<llvm::LLVMContext> context;  // before the module: destroyed after it
  std::unique_ptr<llvm::Module> module;
  KernelFacts facts;  // symbol, target, block, dynamic_shared, param_bytes, pdl
  std::vector<Site> sites;
};

}  // namespace pagejit
