// Division of many numbers by one: Markstein's three steps behind one test, true division where the test fails.
#include <llvm/IR/BasicBlock.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <map>

#include "compiler/across.h"
#include "compiler/builder.h"
#include "compiler/numbers.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

struct Division {
  llvm::Value *x, *y;
};
using Results = std::vector<llvm::Value*>;

llvm::Value* bits_of(Kernel::Builder& b, llvm::Value* v) {
  return b.ir.CreateBitCast(v, b.ir.getInt32Ty());
}

llvm::Value* both(Kernel::Builder& b, llvm::Value* one, llvm::Value* other) {
  return one ? b.ir.CreateAnd(one, other) : other;
}

/// Each y in [2^-60, 2^60), or of codes 2^-126, the least scale there is: a power of two, of which nothing is rounded.
llvm::Value* usual_divisors(Kernel::Builder& b, const std::vector<llvm::Value*>& divisors, bool codes) {
  llvm::Value* holds = nullptr;
  for (llvm::Value* y : divisors) {
    llvm::Value* above = b.ir.CreateSub(bits_of(b, y), b.ir.getInt32((127 - 60) << 23));
    llvm::Value* one = b.ir.CreateICmpULT(above, b.ir.getInt32(120 << 23));
    if (codes) one = b.ir.CreateOr(one, b.ir.CreateICmpEQ(bits_of(b, y), b.ir.getInt32(1 << 23)));
    holds = both(b, holds, one);
  }
  return holds;
}

/// Each |x| in [2^-63, 2^65): with usual divisors no quotient overflows or is subnormal, and every remainder is exact.
/// The upper two bits of the exponent differ, and so the upper one is set once a carry from the lower one is added to
/// it; of all x at once, with one addition each.
llvm::Value* usual_dividends(Kernel::Builder& b, const std::vector<Division>& all) {
  llvm::Value* exponents = nullptr;
  for (const Division& d : all) exponents = both(b, exponents, b.ir.CreateAdd(bits_of(b, d.x), b.ir.getInt32(1 << 29)));
  return b.ir.CreateICmpNE(b.ir.CreateAnd(exponents, 1 << 30), b.ir.getInt32(0));
}

/// The same where zeros are usual too: their quotients by reciprocal are zeros of the right sign.
llvm::Value* usual_or_zero(Kernel::Builder& b, const std::vector<Division>& all) {
  llvm::Value* exponents = nullptr;
  for (const Division& d : all) {
    llvm::Value *bits = bits_of(b, d.x), *moved = b.ir.CreateAdd(bits, b.ir.getInt32(1 << 29));
    llvm::Value* zero = b.ir.CreateFCmpOEQ(d.x, llvm::ConstantFP::get(b.ir.getFloatTy(), 0));
    exponents = both(b, exponents, b.ir.CreateSelect(zero, b.ir.getInt32(1 << 30), moved));
  }
  return b.ir.CreateICmpNE(b.ir.CreateAnd(exponents, 1 << 30), b.ir.getInt32(0));
}

llvm::BasicBlock* block(Kernel::Builder& b, const char* name) {
  return llvm::BasicBlock::Create(*b.context, name, b.function);
}

//   usual = usual_dividends; if (!usual) usual = usual_or_zero
/// Threads that hold a zero look twice, all others once.
llvm::Value* dividends(Kernel::Builder& b, const std::vector<Division>& all) {
  llvm::Value* holds = usual_dividends(b, all);
  llvm::BasicBlock *here = b.ir.GetInsertBlock(), *again = block(b, "with_zeros"), *after = block(b, "looked");
  b.ir.CreateCondBr(holds, after, again);
  b.ir.SetInsertPoint(again);
  llvm::Value* closer = usual_or_zero(b, all);
  b.ir.CreateBr(after);
  b.ir.SetInsertPoint(after);
  llvm::PHINode* result = b.ir.CreatePHI(b.ir.getInt1Ty(), 2);
  result->addIncoming(holds, here);
  result->addIncoming(closer, again);
  return result;
}

/// The remainder's sign is turned so that a quotient of −0 would stay what it is; y is positive here.
Results by_reciprocal(Kernel::Builder& b, const std::vector<Division>& all) {
  auto& ir = b.ir;
  llvm::Type* f32 = ir.getFloatTy();
  std::map<llvm::Value*, llvm::Value*> reciprocals;
  Results results;
  for (const Division& d : all) {
    llvm::Value*& r = reciprocals[d.y];
    if (!r) r = ir.CreateFDiv(llvm::ConstantFP::get(f32, 1), d.y);
    auto fma = [&](llvm::Value* x, llvm::Value* y, llvm::Value* z) {
      return ir.CreateIntrinsic(llvm::Intrinsic::fma, {f32}, {x, y, z});
    };
    llvm::Value* near = ir.CreateFMul(d.x, r);
    llvm::Value* over = fma(near, d.y, ir.CreateFNeg(d.x));
    results.push_back(fma(over, ir.CreateFNeg(r), near));
  }
  return results;
}

Results by_division(Kernel::Builder& b, const std::vector<Division>& all) {
  Results results;
  for (const Division& d : all) results.push_back(b.ir.CreateFDiv(d.x, d.y));
  return results;
}

//   if (usual) results = by_reciprocal else results = by_division
Results chosen(Kernel::Builder& b, llvm::Value* usual, const std::vector<Division>& all) {
  llvm::BasicBlock *fast = block(b, "by_reciprocal"), *slow = block(b, "by_division"), *after = block(b, "divided");
  b.ir.CreateCondBr(usual, fast, slow);
  b.ir.SetInsertPoint(fast);
  Results one = by_reciprocal(b, all);
  b.ir.CreateBr(after);
  b.ir.SetInsertPoint(slow);
  Results other = by_division(b, all);
  b.ir.CreateBr(after);
  b.ir.SetInsertPoint(after);
  Results results;
  for (std::size_t i = 0; i < all.size(); ++i) {
    llvm::PHINode* v = b.ir.CreatePHI(b.ir.getFloatTy(), 2);
    v->addIncoming(one[i], fast);
    v->addIncoming(other[i], slow);
    results.push_back(v);
  }
  return results;
}

Tile divided(const Tile& x, const Tile& y, bool codes) {
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
  llvm::Value* usual = usual_divisors(b, divisors, codes);
  if (!codes) usual = b.ir.CreateAnd(usual, dividends(b, all));
  Results results = chosen(b, usual, all);
  std::vector<Reg> regs;
  for (std::size_t i : which) regs.push_back(plain(results[i]));
  return in_vectors(Tile(x.kernel(), Type::f32, layout, std::move(regs)));
}

}  // namespace

Tile quotient(const Tile& x, const Tile& y) {
  return divided(x, y, false);
}
Tile code_quotient(const Tile& x, const Tile& y) {
  return divided(x, y, true);
}

}  // namespace pagejit
