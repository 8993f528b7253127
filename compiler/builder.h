// The inside of Kernel: LLVM's builder and the few things that every emitter of the tile language shares.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "compiler/emitted.h"
#include "compiler/kernel.h"
#include "compiler/lowering.h"

namespace pagejit {

struct Kernel::Builder {
  explicit Builder(Lowering& lowering);

  Lowering& lowering;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  llvm::IRBuilder<> ir;
  llvm::Function* function = nullptr;
  std::span<const ParamField> fields;
  KernelFacts facts;
  std::vector<Site> sites;
  std::map<int, int> site_of_param;
  int shared_bytes = 0;
  int teams = 1;
  int isa = 0;  // the newest PTX ISA that anything emitted so far asks for

  llvm::Type* type(Type t);
  /// The register as a plain value of `t`: base + offset, or the lane taken out of its vector.
  llvm::Value* value(const Reg& reg, Type t);
  llvm::Value* op(MachineOp op, llvm::ArrayRef<llvm::Value*> operands);
  /// What `make` emits for (code, a, b), once in a basic block: registers that share a base go on sharing it.
  template <class F>
  llvm::Value* once(unsigned code, llvm::Value* a, llvm::Value* b, F make) {
    if (ir.GetInsertBlock() != once_block_) once_.clear(), once_block_ = ir.GetInsertBlock();
    llvm::Value*& v = once_[{code, a, b}];
    if (!v) v = make();
    return v;
  }
  bool begun() const { return function != nullptr; }

 private:
  std::map<std::tuple<unsigned, llvm::Value*, llvm::Value*>, llvm::Value*> once_;
  llvm::BasicBlock* once_block_ = nullptr;
};

/// A register that holds exactly `value`, with what is known of it.
Reg plain(llvm::Value* value, const Facts& facts = {});
/// The layout of a result: the only one there is, or both the same. Throws Error(internal) if they differ.
std::shared_ptr<const Layout> common_layout(const Tile& a, const Tile& b);

}  // namespace pagejit
