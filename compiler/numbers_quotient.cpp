// Division of many numbers by one: Markstein's three steps behind one test, true division where the test fails.
#include "compiler/numbers_quotient.h"

#include <llvm/IR/BasicBlock.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <limits>
#include <map>

#include "compiler/across.h"
#include "compiler/numbers.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// What is known of the dividends, and what is asked of their quotients.
enum class Kind { exact, codes, codes_of_any };

struct Division {
  llvm::Value *x, *y;
};

llvm::Value* bits_of(Kernel::Builder& b, llvm::Value* v) {
  return b.ir.CreateBitCast(v, b.ir.getInt32Ty());
}

llvm::Value* both(Kernel::Builder& b, llvm::Value* one, llvm::Value* other) {
  return one ? b.ir.CreateAnd(one, other) : other;
}

llvm::Value* fma(Kernel::Builder& b, llvm::Value* x, llvm::Value* y, llvm::Value* z) {
  return b.ir.CreateIntrinsic(llvm::Intrinsic::fma, {b.ir.getFloatTy()}, {x, y, z});
}

/// |x| in [2^-63, 2^65): the upper two bits of the exponent differ, and so the upper one is set once a carry from the
/// lower one is added to it.
llvm::Value* carried(Kernel::Builder& b, llvm::Value* x) {
  return b.ir.CreateAdd(bits_of(b, x), b.ir.getInt32(1 << 29));
}
llvm::Value* has_carry(Kernel::Builder& b, llvm::Value* sum) {
  return b.ir.CreateICmpNE(b.ir.CreateAnd(sum, 1 << 30), b.ir.getInt32(0));
}
/// The same, and a zero passes.
llvm::Value* carried_or_zero(Kernel::Builder& b, llvm::Value* x) {
  llvm::Value* zero = b.ir.CreateFCmpOEQ(x, llvm::ConstantFP::get(b.ir.getFloatTy(), 0));
  return b.ir.CreateSelect(zero, b.ir.getInt32(1 << 30), carried(b, x));
}

/// All dividends are usual ones; of all at once, with one addition each.
llvm::Value* usual_dividends(Kernel::Builder& b, const std::vector<Division>& all,
                             llvm::Value* (*bits)(Kernel::Builder&, llvm::Value*)) {
  llvm::Value* sums = nullptr;
  for (const Division& d : all) sums = both(b, sums, bits(b, d.x));
  return has_carry(b, sums);
}

/// Each y is a usual one, or of codes that are bounded 2^-126, the least scale there is: a power of two, of which
/// nothing is rounded.
llvm::Value* usual_divisors(Kernel::Builder& b, const std::vector<llvm::Value*>& divisors, bool codes) {
  llvm::Value* holds = nullptr;
  for (llvm::Value* y : divisors) {
    llvm::Value* one = usual_divisor(b, y);
    if (codes) one = b.ir.CreateOr(one, b.ir.CreateICmpEQ(bits_of(b, y), b.ir.getInt32(1 << 23)));
    holds = both(b, holds, one);
  }
  return holds;
}

llvm::BasicBlock* block(Kernel::Builder& b, const char* name) {
  return llvm::BasicBlock::Create(*b.context, name, b.function);
}

//   usual = usual_dividends; if (!usual) usual = usual_dividends, zeros too
/// Threads that hold a zero look twice, all others once.
llvm::Value* dividends(Kernel::Builder& b, const std::vector<Division>& all) {
  llvm::Value* holds = usual_dividends(b, all, carried);
  auto again = [&] { return Results{usual_dividends(b, all, carried_or_zero)}; };
  return either(
      b, holds, [&] { return Results{holds}; }, again)[0];
}

/// Each |x| is at most 2^67, so that by a usual divisor no quotient is too large: a sum of x · 2^62 is finite only
/// then.
llvm::Value* none_too_large(Kernel::Builder& b, const std::vector<Division>& all) {
  auto number = [&](double v) { return llvm::ConstantFP::get(b.ir.getFloatTy(), v); };
  llvm::Value* sum = number(0);
  for (const Division& d : all) sum = fma(b, d.x, number(0x1p62), sum);
  llvm::Value* size = b.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, sum);
  return b.ir.CreateFCmpOLT(size, number(std::numeric_limits<double>::infinity()));
}

Results quotients(Kernel::Builder& b, const std::vector<Division>& all, const std::vector<llvm::Value*>& divisors,
                  Kind kind) {
  llvm::Value* usual = usual_divisors(b, divisors, kind == Kind::codes);
  if (kind == Kind::exact) usual = b.ir.CreateAnd(usual, dividends(b, all));
  if (kind == Kind::codes_of_any) usual = b.ir.CreateAnd(usual, none_too_large(b, all));
  auto fast = [&] {
    std::map<llvm::Value*, llvm::Value*> reciprocals;
    for (llvm::Value* y : divisors) reciprocals[y] = reciprocal_of(b, y);
    Results results;
    for (const Division& d : all) results.push_back(by_reciprocal(b, d.x, d.y, reciprocals[d.y]));
    return results;
  };
  auto slow = [&] {
    Results results;
    for (const Division& d : all) results.push_back(b.ir.CreateFDiv(d.x, d.y));
    return results;
  };
  return either(b, usual, fast, slow);
}

Tile divided(const Tile& x, const Tile& y, Kind kind) {
  if (x.type() != Type::f32 || y.type() != Type::f32) fail(Code::internal, "a quotient of other types than f32");
  Kernel::Builder& b = x.kernel().builder();
  auto layout = common_layout(x, y);
  std::vector<Division> all;
  std::map<std::pair<llvm::Value*, llvm::Value*>, std::size_t> seen;
  std::vector<std::size_t> which;
  std::vector<llvm::Value*> divisors;
  for (int i = 0; i < std::max(x.registers(), y.registers()); ++i) {
    Division d{b.value(x.reg(i), Type::f32), b.value(y.reg(i), Type::f32)};
    auto [at, fresh] = seen.try_emplace({d.x, d.y}, all.size());
    which.push_back(at->second);
    if (!fresh) continue;
    if (std::find(divisors.begin(), divisors.end(), d.y) == divisors.end()) divisors.push_back(d.y);
    all.push_back(d);
  }
  if (all.size() < 2 * divisors.size()) return x / y;  // the reciprocals would cost what they save
  Results results = quotients(b, all, divisors, kind);
  std::vector<Reg> regs;
  for (std::size_t i : which) regs.push_back(plain(results[i]));
  return in_vectors(Tile(x.kernel(), Type::f32, layout, std::move(regs)));
}

}  // namespace

llvm::Value* reciprocal_of(Kernel::Builder& b, llvm::Value* y) {
  llvm::Value* near = b.op(MachineOp::rcp_fast, {y});
  llvm::Value* rest = fma(b, near, b.ir.CreateFNeg(y), llvm::ConstantFP::get(b.ir.getFloatTy(), 1));
  return fma(b, near, rest, near);
}

/// The remainder's sign is turned so that a quotient of −0 stays what it is.
llvm::Value* by_reciprocal(Kernel::Builder& b, llvm::Value* x, llvm::Value* y, llvm::Value* r) {
  llvm::Value* near = b.ir.CreateFMul(x, r);
  llvm::Value* over = fma(b, near, y, b.ir.CreateFNeg(x));
  return fma(b, over, b.ir.CreateFNeg(r), near);
}

llvm::Value* usual_divisor(Kernel::Builder& b, llvm::Value* y) {
  llvm::Value* above = b.ir.CreateSub(bits_of(b, y), b.ir.getInt32((127 - 60) << 23));
  return b.ir.CreateICmpULT(above, b.ir.getInt32(120 << 23));
}

llvm::Value* usual_dividend_or_zero(Kernel::Builder& b, llvm::Value* x) {
  return has_carry(b, carried_or_zero(b, x));
}

//   if (usual) results = fast else results = slow
Results either(Kernel::Builder& b, llvm::Value* usual, const std::function<Results()>& fast,
               const std::function<Results()>& slow) {
  llvm::BasicBlock *one = block(b, "usual"), *other = block(b, "unusual"), *after = block(b, "after");
  b.ir.CreateCondBr(usual, one, other);
  auto emitted = [&](llvm::BasicBlock* in, const std::function<Results()>& emit) {
    b.ir.SetInsertPoint(in);
    Results results = emit();
    llvm::BasicBlock* last = b.ir.GetInsertBlock();
    b.ir.CreateBr(after);
    return std::pair{results, last};
  };
  auto [right, from_right] = emitted(one, fast);
  auto [left, from_left] = emitted(other, slow);
  b.ir.SetInsertPoint(after);
  Results results;
  for (std::size_t i = 0; i < right.size(); ++i) {
    llvm::PHINode* v = b.ir.CreatePHI(right[i]->getType(), 2);
    v->addIncoming(right[i], from_right);
    v->addIncoming(left[i], from_left);
    results.push_back(v);
  }
  return results;
}

Tile quotient(const Tile& x, const Tile& y) {
  return divided(x, y, Kind::exact);
}
Tile code_quotient(const Tile& x, const Tile& y) {
  return divided(x, y, Kind::codes);
}
Tile code_quotient_of_any(const Tile& x, const Tile& y) {
  return divided(x, y, Kind::codes_of_any);
}

}  // namespace pagejit
