// Conversions between types.
#include <llvm/IR/Intrinsics.h>

#include <map>
#include <numeric>

#include "compiler/across.h"
#include "compiler/arith.h"
#include "compiler/builder.h"
#include "compiler/layout.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

llvm::Type* like(llvm::Value* v, llvm::Type* element) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  return vector ? llvm::FixedVectorType::get(element, vector->getNumElements()) : element;
}

/// A bf16 is the upper half of an f32. LLVM takes the halves of a word apart before it widens them, at two instructions
/// for the upper one.
llvm::Value* widened_pairs(Kernel::Builder& k, llvm::Value* v, unsigned count) {
  llvm::Type *words = llvm::FixedVectorType::get(k.ir.getInt32Ty(), count / 2), *f32 = k.ir.getFloatTy();
  llvm::Value* both = k.ir.CreateBitCast(v, words);
  llvm::Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(f32, count));
  for (unsigned i = 0; i < count; i += 2) {
    llvm::Value* word = k.ir.CreateExtractElement(both, i / 2);
    result = k.ir.CreateInsertElement(result, k.ir.CreateBitCast(k.ir.CreateShl(word, 16), f32), i);
    result = k.ir.CreateInsertElement(result, k.ir.CreateBitCast(k.ir.CreateAnd(word, 0xffff0000u), f32), i + 1);
  }
  return result;
}

llvm::Value* converted(Kernel::Builder& k, llvm::Value* v, Type from, Type to) {
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
      vector && from == Type::bf16 && to == Type::f32 && vector->getNumElements() % 2 == 0)
    return widened_pairs(k, v, vector->getNumElements());
  llvm::Type* type = like(v, k.type(to));
  if (is_integer(from) && is_integer(to))
    return from == Type::i1 ? k.ir.CreateZExt(v, type) : k.ir.CreateSExtOrTrunc(v, type);
  if (is_integer(from)) {
    llvm::Type* f32 = like(v, k.type(Type::f32));
    llvm::Value* wide = from == Type::i1 ? k.ir.CreateUIToFP(v, f32) : k.ir.CreateSIToFP(v, f32);
    return to == Type::f32 ? wide : k.ir.CreateFPTrunc(wide, type);
  }
  if (is_integer(to)) return k.ir.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {type, v->getType()}, {v});
  // Between the two 16-bit formats the way is through f32, which holds both exactly: one rounding.
  llvm::Value* wide = from == Type::f32 ? v : k.ir.CreateFPExt(v, like(v, k.type(Type::f32)));
  return to == Type::f32 ? wide : k.ir.CreateFPTrunc(wide, type);
}

/// f once for each distinct base; lanes of one vector are converted together.
template <class F>
Tile by_base(const Tile& a, Type to, F f) {
  Kernel::Builder& k = a.kernel().builder();
  std::map<std::pair<llvm::Value*, std::int64_t>, Reg> done;
  std::vector<Reg> regs;
  for (const Reg& r : a.regs()) {
    auto [at, fresh] = done.try_emplace({r.base, r.offset});
    if (fresh) at->second = plain(f(r.lane >= 0 ? r.base : k.value(r, a.type())), Facts::of_bits(bits(to)));
    Reg out = at->second;
    out.lane = r.lane;
    regs.push_back(out);
  }
  return Tile(a.kernel(), to, a.layout(), std::move(regs));
}

/// Whether registers 2i and 2i + 1 are neighbours in one vector.
bool in_pairs(const Tile& a) {
  for (std::size_t i = 0; i + 1 < a.regs().size(); i += 2) {
    const Reg &low = a.regs()[i], &high = a.regs()[i + 1];
    if (low.lane < 0 || low.lane % 2 != 0 || high.base != low.base || high.lane != low.lane + 1) return false;
  }
  return true;
}

}  // namespace

Tile wide(const Tile& a) {
  if (a.type() == Type::i64) return a;
  if (!is_integer(a.type())) fail(Code::internal, "wide() of a float");
  Kernel::Builder& k = a.kernel().builder();
  std::map<llvm::Value*, Reg> done;
  std::vector<Reg> regs;
  for (const Reg& r : a.regs()) {
    if (r.lane >= 0) {
      regs.push_back(widen(k, plain(k.value(r, a.type()), Facts::of_bits(bits(a.type()))), a.type(), Type::i64));
      continue;
    }
    auto [at, fresh] = done.try_emplace(r.base);
    if (fresh) at->second = widen(k, r, a.type(), Type::i64);
    Reg out = at->second;
    out.offset = r.offset;
    regs.push_back(out);
  }
  return Tile(a.kernel(), Type::i64, a.layout(), std::move(regs));
}

Tile cast(const Tile& a, Type to) {
  if (a.type() == to) return a;
  if (to == Type::i64 && is_integer(a.type()) && a.type() != Type::i1) return wide(a);
  Kernel::Builder& k = a.kernel().builder();
  if (to == Type::i32 && a.type() == Type::i64) {  // keeps bases and offsets apart, and the facts where they still hold
    std::map<llvm::Value*, llvm::Value*> done;
    std::vector<Reg> regs;
    for (const Reg& r : a.regs()) {
      if (r.base && !done[r.base]) done[r.base] = k.ir.CreateTrunc(r.base, k.type(to));
      Facts facts = r.facts.fits(32) ? r.facts : Facts::of_bits(32);
      regs.push_back(r.base ? Reg{done[r.base], r.offset, -1, facts} : r);
    }
    return Tile(a.kernel(), to, a.layout(), std::move(regs));
  }
  bool narrowed = a.type() == Type::f32 && (to == Type::bf16 || to == Type::f16);  // two in one instruction
  Tile from = narrowed && !in_pairs(a) ? in_vectors(a) : a;
  return by_base(from, to, [&](llvm::Value* v) { return converted(k, v, a.type(), to); });
}

Tile multiple_of(const Tile& a, std::int64_t divisor) {
  std::vector<Reg> regs;
  for (Reg r : a.regs()) {
    // A lane's facts would be of the whole vector: take it out first.
    if (r.lane >= 0) r = plain(a.kernel().builder().value(r, a.type()), Facts::of_bits(bits(a.type())));
    if (r.base) r.facts.divisor = std::lcm(r.facts.divisor, divisor / std::gcd(divisor, r.offset) == 1 ? divisor : 1);
    regs.push_back(r);
  }
  return Tile(a.kernel(), a.type(), a.layout(), std::move(regs));
}

Tile bitcast(const Tile& a, Type to) {
  if (a.type() == to) return a;
  if (bits(a.type()) != bits(to)) fail(Code::internal, "bitcast between types of different widths");
  Kernel::Builder& k = a.kernel().builder();
  return by_base(a, to, [&](llvm::Value* v) { return k.ir.CreateBitCast(v, like(v, k.type(to))); });
}

}  // namespace pagejit
