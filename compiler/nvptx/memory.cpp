#include "compiler/nvptx/memory.h"

#include <fmt/format.h>
#include <llvm/IR/InlineAsm.h>

namespace pagejit::nvptx {
namespace {

/// How so many bytes travel: `count` registers of `bits`.
struct Words {
  int count, bits;
  const char* constraint;
  llvm::Type* type;   // of one register
  llvm::Type* whole;  // of all: what the value is bit-cast to and from
};

Words words(llvm::IRBuilder<>& b, int bytes) {
  auto vector = [&](int n, llvm::Type* t) {
    return n == 1 ? t : static_cast<llvm::Type*>(llvm::FixedVectorType::get(t, static_cast<unsigned>(n)));
  };
  if (bytes == 1) return {1, 8, "h", b.getInt16Ty(), b.getInt8Ty()};
  if (bytes == 2) return {1, 16, "h", b.getInt16Ty(), b.getInt16Ty()};
  if (bytes == 8) return {1, 64, "l", b.getInt64Ty(), b.getInt64Ty()};
  return {bytes / 4, 32, "r", b.getInt32Ty(), vector(bytes / 4, b.getInt32Ty())};
}

std::string list(int first, int count) {
  if (count == 1) return fmt::format("${}", first);
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += fmt::format("{}${}", i ? ", " : "", first + i);
  return text + "}";
}

std::string mnemonic(const Access& a, const Words& w, bool reading) {
  std::string vector = w.count > 1 ? fmt::format(".v{}", w.count) : "";
  if (a.space == Space::shared) return fmt::format("{}.shared{}.b{}", reading ? "ld" : "st", vector, w.bits);
  // No cache hint: on an H200 streams are fastest without (docs/measured.md).
  std::string_view order = a.past_l1 ? ".relaxed.gpu" : "";
  return fmt::format("{}{}.global{}.b{}", reading ? "ld" : "st", order, vector, w.bits);
}

llvm::Value* from_words(llvm::IRBuilder<>& b, const Access& a, const Words& w, llvm::Value* loaded) {
  llvm::Type* want = a.count == 1 ? a.elem : llvm::FixedVectorType::get(a.elem, static_cast<unsigned>(a.count));
  llvm::Value* bits = loaded;
  if (w.count > 1) {
    bits = llvm::PoisonValue::get(w.whole);
    for (int i = 0; i < w.count; ++i)
      bits = b.CreateInsertElement(bits, b.CreateExtractValue(loaded, static_cast<unsigned>(i)),
                                   static_cast<std::uint64_t>(i));
  } else if (w.bits == 8) {
    bits = b.CreateTrunc(loaded, b.getInt8Ty());
  }
  return b.CreateBitCast(bits, want);
}

}  // namespace

llvm::Value* load(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* mask) {
  Words w = words(b, a.bytes);
  std::string code, constraints;
  for (int i = 0; i < w.count; ++i) {
    if (mask) code += fmt::format("mov.b{} ${}, 0; ", w.bits == 8 ? 16 : w.bits, i);
    constraints += fmt::format("{}=&{}", i ? "," : "", w.constraint);
  }
  code += fmt::format("{}{} {}, [${}];", mask ? fmt::format("@${} ", w.count + 1) : "", mnemonic(a, w, true),
                      list(0, w.count), w.count);
  constraints += a.space == Space::shared ? ",r" : ",l";
  std::vector<llvm::Type*> takes{address->getType()};
  std::vector<llvm::Value*> operands{address};
  if (mask) constraints += ",b", takes.push_back(b.getInt1Ty()), operands.push_back(mask);
  llvm::Type* result =
      w.count == 1
          ? w.type
          : llvm::StructType::get(b.getContext(), std::vector<llvm::Type*>(static_cast<std::size_t>(w.count), w.type));
  auto* type = llvm::FunctionType::get(result, takes, false);
  // Side effects keep accesses in the order in which the template made them; nothing else here touches memory for LLVM.
  auto* call = b.CreateCall(type, llvm::InlineAsm::get(type, code, constraints, true), operands);
  call->addFnAttr(llvm::Attribute::NoUnwind);
  return from_words(b, a, w, call);
}

void store(llvm::IRBuilder<>& b, const Access& a, llvm::Value* address, llvm::Value* value, llvm::Value* mask) {
  Words w = words(b, a.bytes);
  llvm::Value* bits = b.CreateBitCast(value, w.whole);
  std::vector<llvm::Value*> operands{address};
  std::vector<llvm::Type*> takes{address->getType()};
  std::string constraints = a.space == Space::shared ? "r" : "l";
  for (int i = 0; i < w.count; ++i) {
    llvm::Value* one = w.count > 1 ? b.CreateExtractElement(bits, static_cast<std::uint64_t>(i)) : bits;
    if (w.bits == 8) one = b.CreateZExt(one, b.getInt16Ty());
    operands.push_back(one);
    takes.push_back(w.type);
    constraints += fmt::format(",{}", w.constraint);
  }
  if (mask) constraints += ",b", takes.push_back(b.getInt1Ty()), operands.push_back(mask);
  std::string code = fmt::format("{}{} [$0], {};", mask ? fmt::format("@${} ", w.count + 1) : "", mnemonic(a, w, false),
                                 list(1, w.count));
  auto* type = llvm::FunctionType::get(b.getVoidTy(), takes, false);
  auto* call = b.CreateCall(type, llvm::InlineAsm::get(type, code, constraints, true), operands);
  call->addFnAttr(llvm::Attribute::NoUnwind);
}

}  // namespace pagejit::nvptx
