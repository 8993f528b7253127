// Codes as f16: what products of matrices take in. Every code is exact in f16.
#include "compiler/numbers.h"
#include "compiler/numbers_words.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

llvm::Type* pair_type(Kernel::Builder& b) {
  return llvm::FixedVectorType::get(b.ir.getHalfTy(), 2);
}
llvm::Value* pair_of(Kernel::Builder& b, llvm::Value* word) {
  return b.ir.CreateBitCast(word, pair_type(b));
}
llvm::Value* both(Kernel::Builder& b, double value) {
  return llvm::ConstantFP::get(pair_type(b), value);
}

using Pair = std::array<llvm::Value*, 2>;  // of bytes 0 and 2, of bytes 1 and 3

Pair from_e5m2(Kernel::Builder& b, llvm::Value* word) {
  llvm::Value* zero = b.ir.getInt32(0);  // the upper byte of an f16
  return {pair_of(b, chosen_bytes(b, word, zero, 0x2404)), pair_of(b, chosen_bytes(b, word, zero, 0x3414))};
}

Pair from_e4m3(Kernel::Builder& b, llvm::Value* word) {
  auto& ir = b.ir;
  if (b.lowering.target().is_emulator() || b.lowering.target().has_fp8_convert()) {
    llvm::Value* halves = b.op(MachineOp::halves_of_e4m3x4, {chosen_bytes(b, word, ir.getInt32(0), 0x3120)});
    return {pair_of(b, ir.CreateExtractValue(halves, 0)), pair_of(b, ir.CreateExtractValue(halves, 1))};
  }
  // As in numbers_fp8.cpp: one place lower the code is an f16 that is 2^8 times too small.
  llvm::Value* magnitude = ir.CreateAnd(word, 0x7f7f7f7fu);
  llvm::Value* nan = ir.CreateAnd(ir.CreateAdd(magnitude, ir.getInt32(0x01010101u)), 0x80808080u);
  magnitude = ir.CreateOr(magnitude, nan);
  auto halves = [&](llvm::Value* codes, llvm::Value* signs) {
    llvm::Value* small = ir.CreateOr(ir.CreateAnd(codes, 0x7f807f80u), ir.CreateAnd(signs, 0x80008000u));
    return ir.CreateFMul(pair_of(b, small), both(b, 256));
  };
  return {halves(ir.CreateShl(magnitude, 7), ir.CreateShl(word, 8)), halves(ir.CreateLShr(magnitude, 1), word)};
}

/// The f16 whose only bits are n, its lowest, is a subnormal: n · 2^-24. The tensor cores take those in exactly.
Pair from_u8(Kernel::Builder& b, llvm::Value* word) {
  llvm::Value* zero = b.ir.getInt32(0);
  return {pair_of(b, chosen_bytes(b, word, zero, 0x4240)), pair_of(b, chosen_bytes(b, word, zero, 0x4341))};
}

Pair from_nibbles(Kernel::Builder& b, llvm::Value* word, bool high) {
  auto half = [&](llvm::Value* w) { return pair_of(b, b.ir.CreateAnd(w, high ? 0x00f000f0u : 0x000f000fu)); };
  llvm::Value *even = half(word), *odd = half(b.ir.CreateLShr(word, 8));
  return {even, odd};
}

Pair decoded_word(Kernel::Builder& b, llvm::Value* word, CodeFormat codes) {
  switch (codes) {
    case CodeFormat::e4m3:
      return from_e4m3(b, word);
    case CodeFormat::e5m2:
      return from_e5m2(b, word);
    case CodeFormat::u8:
      return from_u8(b, word);
    case CodeFormat::low4:
      return from_nibbles(b, word, false);
    case CodeFormat::high4:
      return from_nibbles(b, word, true);
  }
  fail(Code::internal, "not a format of codes");
}

/// Registers 2i and 2i + 1 of a tile of 16-bit elements as words; those of a tile of words as they are.
std::vector<llvm::Value*> words_of(const Tile& t) {
  Kernel::Builder& b = t.kernel().builder();
  std::vector<llvm::Value*> words;
  if (t.type() == Type::i32) {
    for (const Reg& r : t.regs()) words.push_back(b.value(r, Type::i32));
    return words;
  }
  auto* pair = llvm::FixedVectorType::get(b.type(t.type()), 2);
  for (int i = 0; i + 1 < t.registers(); i += 2) {
    const Reg &low = t.reg(i), &high = t.reg(i + 1);
    llvm::Value* two = low.base;
    if (low.lane != 0 || high.lane != 1 || low.base != high.base || two->getType() != pair) {
      two = b.ir.CreateInsertElement(llvm::PoisonValue::get(pair), b.value(low, t.type()), std::uint64_t{0});
      two = b.ir.CreateInsertElement(two, b.value(high, t.type()), std::uint64_t{1});
    }
    words.push_back(b.ir.CreateBitCast(two, b.ir.getInt32Ty()));
  }
  return words;
}

}  // namespace

std::array<Tile, 2> half_pairs(const Tile& words, CodeFormat codes) {
  Kernel::Builder& b = words.kernel().builder();
  std::array<std::vector<Reg>, 2> regs;
  for (llvm::Value* word : words_of(words)) {
    Pair pair = decoded_word(b, word, codes);
    for (std::size_t p : {0, 1})
      for (int lane : {0, 1}) regs[p].push_back({pair[p], 0, lane, {}});
  }
  return {Tile(words.kernel(), Type::f16, nullptr, std::move(regs[0])),
          Tile(words.kernel(), Type::f16, nullptr, std::move(regs[1]))};
}

}  // namespace pagejit
