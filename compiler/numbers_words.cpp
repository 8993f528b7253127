#include "compiler/numbers_words.h"

#include <algorithm>
#include <map>

#include "runtime/base/error.h"

namespace pagejit {
namespace {

unsigned lanes_of(llvm::Value* vector) {
  return llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements();
}

/// The bytes of `v`, a byte or a vector of them, as i32; zeros above what does not fill a word.
std::vector<llvm::Value*> words_of(Kernel::Builder& b, llvm::Value* v) {
  unsigned bits = static_cast<unsigned>(v->getType()->getPrimitiveSizeInBits());
  llvm::Type* i32 = b.ir.getInt32Ty();
  if (bits <= 32) return {b.ir.CreateZExt(b.ir.CreateBitCast(v, b.ir.getIntNTy(bits)), i32)};
  llvm::Value* all = b.ir.CreateBitCast(v, llvm::FixedVectorType::get(i32, bits / 32));
  std::vector<llvm::Value*> words;
  for (unsigned i = 0; i < bits / 32; ++i) words.push_back(b.ir.CreateExtractElement(all, i));
  return words;
}

}  // namespace

Tile decoded(const Tile& bytes, const std::function<Four(llvm::Value*)>& decode) {
  if (bytes.type() != Type::i8) fail(Code::internal, "codes are decoded from i8");
  Kernel::Builder& b = bytes.kernel().builder();
  std::map<std::pair<llvm::Value*, std::int64_t>, llvm::Value*> done;  // by base and offset
  auto floats_of = [&](const Reg& r) -> llvm::Value* {
    if (r.lane < 0) return decode(words_of(b, b.value(r, Type::i8))[0])[0];
    unsigned lanes = lanes_of(r.base);
    llvm::Value* all = llvm::PoisonValue::get(llvm::FixedVectorType::get(b.ir.getFloatTy(), lanes));
    std::vector<llvm::Value*> words = words_of(b, r.base);
    for (unsigned i = 0; i < lanes; i += 4) {
      Four four = decode(words[i / 4]);
      for (unsigned j = 0; j < std::min(4u, lanes); ++j) all = b.ir.CreateInsertElement(all, four[j], i + j);
    }
    return all;
  };
  std::vector<Reg> regs;
  for (const Reg& r : bytes.regs()) {
    llvm::Value*& v = done[{r.base, r.offset}];
    if (!v) v = floats_of(r);
    regs.push_back({v, 0, r.lane, {}});
  }
  return Tile(bytes.kernel(), Type::f32, bytes.layout(), std::move(regs));
}

Tile encoded(const Tile& values, const std::function<llvm::Value*(const Four&)>& encode) {
  if (values.type() != Type::f32) fail(Code::internal, "codes are made of f32");
  Kernel::Builder& b = values.kernel().builder();
  Facts facts = Facts::of_bits(8);
  int count = values.registers();
  std::vector<Reg> regs;
  for (int first = 0; first < count; first += 4) {
    int used = std::min(4, count - first);
    Four four;
    for (int i = 0; i < 4; ++i)
      four[static_cast<std::size_t>(i)] =
          i < used ? b.value(values.reg(first + i), Type::f32) : llvm::ConstantFP::get(b.ir.getFloatTy(), 0);
    llvm::Value* bits = b.ir.CreateTrunc(encode(four), b.ir.getIntNTy(8 * static_cast<unsigned>(used)));
    if (used == 1) {
      regs.push_back(plain(bits, facts));
      continue;
    }
    auto* type = llvm::FixedVectorType::get(b.ir.getInt8Ty(), static_cast<unsigned>(used));
    llvm::Value* codes = b.ir.CreateBitCast(bits, type);
    for (int i = 0; i < used; ++i) regs.push_back({codes, 0, i, facts});
  }
  return Tile(values.kernel(), Type::i8, values.layout(), std::move(regs));
}

llvm::Value* chosen_bytes(Kernel::Builder& b, llvm::Value* a, llvm::Value* other, unsigned choice) {
  return b.op(MachineOp::byte_permute, {a, other, b.ir.getInt32(choice)});
}

}  // namespace pagejit
