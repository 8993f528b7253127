#include "compiler/nvptx/lowering.h"

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include <algorithm>

#include "compiler/nvptx/memory.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

const char* constraint(char kind) {
  switch (kind) {
    case 'l':
    case 'p':
      return "l";
    case 'f':
      return "f";
    case 'b':
      return "b";
    case 'n':
      return "n";
    default:
      return "r";
  }
}

class NvptxLowering final : public Lowering {
 public:
  explicit NvptxLowering(const Target& target) : target_(target) {}
  const Target& target() const override { return target_; }

  llvm::Function* begin(llvm::Module& module, llvm::IRBuilder<>& b, std::string_view name,
                        std::span<const ParamField> fields, int bytes, int block) override;
  llvm::Value* param(llvm::IRBuilder<>& b, int offset, llvm::Type* type) override;
  llvm::Value* param_address(llvm::IRBuilder<>& b, int offset) override;
  llvm::Value* op(llvm::IRBuilder<>& b, MachineOp op, llvm::ArrayRef<llvm::Value*> operands) override;
  llvm::Value* load(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* mask) override {
    return nvptx::load(b, a, address, mask);
  }
  void store(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* value,
             llvm::Value* mask) override {
    nvptx::store(b, a, address, value, mask);
  }
  llvm::Value* shared_base(llvm::IRBuilder<>& b) override;
  void finish(llvm::Module&, llvm::Function&, int) override {}

 private:
  Target target_;
  llvm::Function* function_ = nullptr;
  llvm::Value* window_ = nullptr;
};

llvm::Type* field_type(llvm::IRBuilder<>& b, const ParamField& field) {
  if (field.type == ParamType::map) return llvm::ArrayType::get(b.getInt64Ty(), sizeof(TensorMap) / 8);
  if (field.type == ParamType::f32) return b.getFloatTy();
  return field.size == 8 ? b.getInt64Ty() : b.getInt32Ty();
}

llvm::Function* NvptxLowering::begin(llvm::Module& module, llvm::IRBuilder<>& b, std::string_view name,
                                     std::span<const ParamField> fields, int bytes, int block) {
  llvm::LLVMContext& context = module.getContext();
  module.setTargetTriple(llvm::Triple("nvptx64-nvidia-cuda"));
  // Packed, with C++'s padding spelt out: the layout is then the host's, whatever the target's own rules.
  std::vector<llvm::Type*> members;
  int at = 0;
  auto pad_to = [&](int offset) {
    if (offset > at) members.push_back(llvm::ArrayType::get(b.getInt8Ty(), static_cast<std::uint64_t>(offset - at)));
    at = offset;
  };
  for (const ParamField& field : fields) {
    pad_to(field.offset);
    members.push_back(field_type(b, field));
    at += field.size;
  }
  pad_to(bytes);
  auto* params = llvm::StructType::create(context, members, "Params", true);
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
  function_ =
      llvm::Function::Create(type, llvm::Function::ExternalLinkage, llvm::StringRef(name.data(), name.size()), module);
  function_->setCallingConv(llvm::CallingConv::PTX_Kernel);
  function_->addFnAttr("nvvm.reqntid", fmt::format("{}", block));
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  llvm::AttrBuilder by_value(context);
  bool maps = std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.type == ParamType::map; });
  by_value.addByValAttr(params)
      .addAlignmentAttr(llvm::Align(maps ? alignof(TensorMap) : 8))
      .addAttribute("nvvm.grid_constant");
  by_value.addAttribute(llvm::Attribute::ReadOnly).addAttribute(llvm::Attribute::NoAlias);
  function_->addParamAttrs(0, by_value);
  function_->getArg(0)->setName("params");
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", function_));
  return function_;
}

llvm::Value* NvptxLowering::param(llvm::IRBuilder<>& b, int offset, llvm::Type* type) {
  // Parameters are read in the entry block, once each: they are uniform, and ld.param is nearly free.
  llvm::IRBuilder<> entry(&function_->getEntryBlock(), function_->getEntryBlock().getFirstInsertionPt());
  llvm::IRBuilder<>& at = b.GetInsertBlock() == &function_->getEntryBlock() ? b : entry;
  llvm::Value* where =
      at.CreateConstInBoundsGEP1_64(at.getInt8Ty(), function_->getArg(0), static_cast<std::uint64_t>(offset));
  auto* load = at.CreateAlignedLoad(type, where, llvm::Align(type->getScalarSizeInBits() / 8));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(at.getContext(), {}));
  return load;
}

// By its name in PTX: a pointer that escapes would have LLVM read all other parameters through it as well.
llvm::Value* NvptxLowering::param_address(llvm::IRBuilder<>& b, int offset) {
  std::string code = fmt::format("{{ .reg .b64 at; mov.b64 at, {}_param_0; cvta.param.u64 $0, at; }}",
                                 std::string_view(function_->getName()));
  auto* type = llvm::FunctionType::get(b.getInt64Ty(), {}, false);
  llvm::Value* start = b.CreateCall(type, llvm::InlineAsm::get(type, code, "=l", false));
  return b.CreateAdd(start, b.getInt64(static_cast<std::uint64_t>(offset)));
}

llvm::Value* NvptxLowering::op(llvm::IRBuilder<>& b, MachineOp which, llvm::ArrayRef<llvm::Value*> operands) {
  const MachineOpRow& r = row(which);
  if (r.nvptx.starts_with("llvm.")) {
    llvm::Intrinsic::ID id = llvm::Intrinsic::lookupIntrinsicID(llvm::StringRef(r.nvptx.data(), r.nvptx.size()));
    return b.CreateIntrinsic(id, {}, operands);
  }
  std::vector<llvm::Type*> results, takes;
  std::string constraints;
  auto also = [&](std::string_view one) { constraints += (constraints.empty() ? "" : ",") + std::string(one); };
  for (char kind : r.results()) {
    results.push_back(operand_type(b, kind));
    if (kind != 'v') also(std::string("=") + constraint(kind));
  }
  for (char kind : r.operands()) {
    takes.push_back(operand_type(b, kind));
    also(constraint(kind));
  }
  if (r.effect == Effect::sync) also("~{memory}");
  llvm::Type* result = results.size() == 1 ? results[0] : llvm::StructType::get(b.getContext(), results);
  auto* type = llvm::FunctionType::get(result, takes, false);
  auto* code = llvm::InlineAsm::get(type, llvm::StringRef(r.nvptx.data(), r.nvptx.size()), constraints,
                                    r.effect != Effect::pure);
  auto* call = b.CreateCall(type, code, operands);
  if (r.effect == Effect::sync) call->addFnAttr(llvm::Attribute::Convergent);
  call->addFnAttr(llvm::Attribute::NoUnwind);
  return call;
}

llvm::Value* NvptxLowering::shared_base(llvm::IRBuilder<>& b) {
  if (window_) return window_;
  llvm::Module& module = *function_->getParent();
  auto* type = llvm::ArrayType::get(b.getInt8Ty(), 0);
  auto* window = new llvm::GlobalVariable(module, type, false, llvm::GlobalValue::ExternalLinkage, nullptr,
                                          "shared_window", nullptr, llvm::GlobalValue::NotThreadLocal, 3);
  window->setAlignment(llvm::Align(1024));
  llvm::IRBuilder<> entry(&function_->getEntryBlock(), function_->getEntryBlock().getFirstInsertionPt());
  return window_ = entry.CreatePtrToInt(window, b.getInt32Ty(), "window");
}

}  // namespace

std::unique_ptr<Lowering> make_nvptx_lowering(const Target& target) {
  return std::make_unique<NvptxLowering>(target);
}

}  // namespace pagejit
