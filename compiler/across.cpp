#include "compiler/across.h"

#include <algorithm>

#include "compiler/builder.h"

namespace pagejit {

llvm::Value* shuffled(Kernel::Builder& b, MachineOp op, llvm::Value* value, llvm::Value* how) {
  llvm::Type* type = value->getType();
  unsigned bits = type->getPrimitiveSizeInBits();
  llvm::Value* word = b.ir.CreateBitCast(value, b.ir.getIntNTy(bits));
  if (bits <= 32) {
    llvm::Value* got = b.op(op, {b.ir.CreateZExt(word, b.ir.getInt32Ty()), how});
    return b.ir.CreateBitCast(b.ir.CreateTrunc(got, b.ir.getIntNTy(bits)), type);
  }
  llvm::Value* low = b.op(op, {b.ir.CreateTrunc(word, b.ir.getInt32Ty()), how});
  llvm::Value* high = b.op(op, {b.ir.CreateTrunc(b.ir.CreateLShr(word, 32), b.ir.getInt32Ty()), how});
  llvm::Value* upper = b.ir.CreateShl(b.ir.CreateZExt(high, word->getType()), 32);
  return b.ir.CreateBitCast(b.ir.CreateOr(upper, b.ir.CreateZExt(low, word->getType())), type);
}

Tile relabelled(const Tile& a, std::shared_ptr<const Layout> layout) {
  return Tile(a.kernel(), a.type(), std::move(layout), a.regs());
}
Tile relabelled(const Tile& a, const Layout& layout) {
  return relabelled(a, std::make_shared<const Layout>(layout));
}

Tile picked(const Tile& a, const std::vector<int>& bits) {
  std::vector<Reg> regs;
  for (int s = 0; s < 1 << bits.size(); ++s) {
    int r = 0;
    for (std::size_t i = 0; i < bits.size(); ++i)
      if (s >> i & 1) r |= 1 << bits[i];
    regs.push_back(a.reg(r));
  }
  return Tile(a.kernel(), a.type(), std::make_shared<Layout>(a.layout()->with_register_bits(bits)), std::move(regs));
}

Tile in_vectors(const Tile& a) {
  Kernel::Builder& b = a.kernel().builder();
  int count = static_cast<int>(a.regs().size()), lanes = std::min(count, 8);
  if (lanes < 2 || count % lanes != 0) return a;
  for (int i = 1; i < count; ++i)
    if (a.reg(i).same(a.reg(i - 1))) return a;  // lanes of one value would no longer be seen to be one
  auto* type = llvm::FixedVectorType::get(b.type(a.type()), static_cast<unsigned>(lanes));
  std::vector<Reg> regs;
  for (int first = 0; first < count; first += lanes) {
    llvm::Value* all = llvm::PoisonValue::get(type);
    for (int i = 0; i < lanes; ++i)
      all = b.ir.CreateInsertElement(all, b.value(a.reg(first + i), a.type()), static_cast<std::uint64_t>(i));
    for (int i = 0; i < lanes; ++i) regs.push_back({all, 0, i, {}});
  }
  return Tile(a.kernel(), a.type(), a.layout(), std::move(regs));
}

Tile offsets(Kernel& k, const Layout& layout, const Placement& placement) {
  return relabelled(k.arange(placement.of(layout)), layout);
}

Value one_holder(Kernel& k, const Slot& free) {
  int bits = free.lane | free.warp << 5;
  if (bits == 0) return {};
  return (k.thread() & bits) == 0;
}

Elem stored_as(Type type) {
  switch (type) {
    case Type::i1:
    case Type::i8:
      return Elem::u8;
    case Type::i16:
    case Type::f16:
      return Elem::f16;
    case Type::bf16:
      return Elem::bf16;
    case Type::i32:
      return Elem::i32;
    case Type::f32:
      return Elem::f32;
    case Type::i64:
      return Elem::i64;
  }
  return Elem::u8;
}

Tile to_stored(const Tile& a) {
  Type stored = type_of(stored_as(a.type()));
  return a.type() == Type::i1 ? cast(a, stored) : bitcast(a, stored);
}

Tile from_stored(const Tile& a, Type type) {
  return type == Type::i1 ? a != 0 : bitcast(a, type);
}

}  // namespace pagejit
