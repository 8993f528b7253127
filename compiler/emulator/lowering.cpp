#include "compiler/emulator/lowering.h"

#include <fmt/format.h>
#include <llvm/IR/Module.h>

#include "compiler/emulator/machine.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

llvm::Type* type_of_kind(llvm::IRBuilder<>& b, char kind) {
  return operand_type(b, kind == 'b' ? 'i' : kind);  // an i1 travels as an i32
}

class EmulatorLowering final : public Lowering {
 public:
  const Target& target() const override { return pagejit::target("emulator"); }

  llvm::Function* begin(llvm::Module& module, llvm::IRBuilder<>& b, std::string_view name, std::span<const ParamField>,
                        int, int) override {
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy()}, false);
    function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, llvm::StringRef(name.data(), name.size()),
                                       module);
    function_->addFnAttr(llvm::Attribute::NoUnwind);
    function_->getArg(0)->setName("thread");
    function_->getArg(1)->setName("params");
    b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function_));
    results_.clear();
    slot_ = nullptr;
    return function_;
  }

  llvm::Value* param(llvm::IRBuilder<>& b, int offset, llvm::Type* type) override {
    llvm::Value* at =
        b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), function_->getArg(1), static_cast<std::uint64_t>(offset));
    return b.CreateAlignedLoad(type, at, llvm::Align(type->getScalarSizeInBits() / 8));
  }

  llvm::Value* param_address(llvm::IRBuilder<>& b, int offset) override {
    return b.CreateAdd(b.CreatePtrToInt(function_->getArg(1), b.getInt64Ty()),
                       b.getInt64(static_cast<std::uint64_t>(offset)));
  }

  llvm::Value* op(llvm::IRBuilder<>& b, MachineOp op, llvm::ArrayRef<llvm::Value*> operands) override;
  llvm::Value* load(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* mask) override;
  void store(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* value,
             llvm::Value* mask) override;
  llvm::Value* shared_base(llvm::IRBuilder<>& b) override { return b.getInt32(emulator::window_base); }
  void finish(llvm::Module&, llvm::Function&, int) override {}

 private:
  llvm::CallInst* call(llvm::IRBuilder<>& b, const std::string& name, llvm::Type* result,
                       llvm::ArrayRef<llvm::Value*> operands);
  void access(llvm::IRBuilder<>& b, const char* name, const Access& a, llvm::Value* address, llvm::Value* mask);
  llvm::AllocaInst* stack(llvm::Type* type);

  llvm::Function* function_ = nullptr;
  llvm::AllocaInst* slot_ = nullptr;                  // where the bytes of an access travel: one place for all accesses
  std::map<llvm::Type*, llvm::AllocaInst*> results_;  // the same for operations with several results
};

/// In the entry block: a place on the stack is taken once, however often a loop comes by.
llvm::AllocaInst* EmulatorLowering::stack(llvm::Type* type) {
  llvm::BasicBlock& entry = function_->getEntryBlock();
  llvm::IRBuilder<> b(&entry, entry.begin());
  auto* place = b.CreateAlloca(type);
  place->setAlignment(llvm::Align(16));
  return place;
}

llvm::CallInst* EmulatorLowering::call(llvm::IRBuilder<>& b, const std::string& name, llvm::Type* result,
                                       llvm::ArrayRef<llvm::Value*> operands) {
  std::vector<llvm::Type*> types;
  for (llvm::Value* v : operands) types.push_back(v->getType());
  auto callee = function_->getParent()->getOrInsertFunction(name, llvm::FunctionType::get(result, types, false));
  auto* made = b.CreateCall(callee, operands);
  made->addFnAttr(llvm::Attribute::NoUnwind);
  made->addFnAttr(llvm::Attribute::Convergent);
  return made;
}

llvm::Value* EmulatorLowering::op(llvm::IRBuilder<>& b, MachineOp which, llvm::ArrayRef<llvm::Value*> operands) {
  const MachineOpRow& r = row(which);
  std::vector<llvm::Type*> results;
  for (char kind : r.results()) results.push_back(type_of_kind(b, kind));
  bool several = results.size() > 1;
  std::vector<llvm::Value*> passed{function_->getArg(0)};
  llvm::StructType* whole = several ? llvm::StructType::get(b.getContext(), results) : nullptr;
  llvm::AllocaInst*& place = results_[whole];
  if (several && !place) place = stack(whole);
  if (several) passed.push_back(place);
  for (std::size_t i = 0; i < operands.size(); ++i)
    passed.push_back(operands[i]->getType()->isIntegerTy(1) ? b.CreateZExt(operands[i], b.getInt32Ty()) : operands[i]);
  auto* made = call(b, fmt::format("emu_{}", r.name), several ? b.getVoidTy() : results[0], passed);
  if (r.effect == Effect::pure && !several) made->setDoesNotAccessMemory();
  return several ? static_cast<llvm::Value*>(b.CreateLoad(whole, place)) : made;
}

void EmulatorLowering::access(llvm::IRBuilder<>& b, const char* name, const Access& a, llvm::Value* address,
                              llvm::Value* mask) {
  llvm::Value* live = mask ? b.CreateZExt(mask, b.getInt32Ty()) : b.getInt32(1);
  call(b, name, b.getVoidTy(),
       {function_->getArg(0), b.getInt32(static_cast<unsigned>(a.site)), b.CreateZExt(address, b.getInt64Ty()),
        b.getInt32(static_cast<unsigned>(a.bytes)), live, slot_});
}

llvm::Value* EmulatorLowering::load(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* mask) {
  if (!slot_) slot_ = stack(llvm::ArrayType::get(b.getInt8Ty(), 16));
  access(b, "emu_load", a, address, mask);
  llvm::Type* type = a.count == 1 ? a.elem : llvm::FixedVectorType::get(a.elem, static_cast<unsigned>(a.count));
  return b.CreateAlignedLoad(type, slot_, llvm::Align(16));
}

void EmulatorLowering::store(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* value,
                             llvm::Value* mask) {
  if (!slot_) slot_ = stack(llvm::ArrayType::get(b.getInt8Ty(), 16));
  b.CreateAlignedStore(value, slot_, llvm::Align(16));
  access(b, "emu_store", a, address, mask);
}

}  // namespace

std::unique_ptr<Lowering> make_emulator_lowering() {
  return std::make_unique<EmulatorLowering>();
}

}  // namespace pagejit
