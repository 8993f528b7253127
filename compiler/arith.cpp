// Integer arithmetic on base + offset registers: what keeps neighbouring registers on one base.
#include "compiler/arith.h"

#include <numeric>

#include "compiler/layout.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

llvm::Value* make(Kernel::Builder& b, llvm::Instruction::BinaryOps op, llvm::Value* x, llvm::Value* y) {
  return b.once(op, x, y, [&] {
    llvm::Value* v = b.ir.CreateBinOp(op, x, y);
    bool wraps = op != llvm::Instruction::Add && op != llvm::Instruction::Sub && op != llvm::Instruction::Mul;
    if (auto* i = llvm::dyn_cast<llvm::BinaryOperator>(v); i && !wraps) i->setHasNoSignedWrap();
    return v;
  });
}

llvm::Value* test(Kernel::Builder& b, llvm::CmpInst::Predicate p, llvm::Value* x, llvm::Value* y) {
  return b.once(1000u + p, x, y, [&] { return b.ir.CreateICmp(p, x, y); });
}

std::int64_t floor_multiple(std::int64_t x, std::int64_t g) {
  std::int64_t r = x % g;
  return r < 0 ? x - r - g : x - r;
}

Facts clipped(Facts f, int width) {
  Facts all = Facts::of_bits(width);
  return {f.divisor, std::max(f.lo, all.lo), std::min(f.hi, all.hi)};
}

/// base + offset as one base, with its facts.
Reg whole(Kernel::Builder& b, const Reg& r, Type t) {
  if (!r.base || r.offset == 0) return r;
  return plain(b.value(r, t), r.all());
}

Reg add(Kernel::Builder& b, const Reg& x, const Reg& y) {
  if (!x.base) return {y.base, y.offset + x.offset, -1, y.facts};
  if (!y.base) return {x.base, x.offset + y.offset, -1, x.facts};
  return {make(b, llvm::Instruction::Add, x.base, y.base), x.offset + y.offset, -1, x.facts + y.facts};
}

Reg subtract(Kernel::Builder& b, const Reg& x, const Reg& y, Type t) {
  if (!y.base) return {x.base, x.offset - y.offset, -1, x.facts};
  llvm::Value* left = x.base ? x.base : b.value({nullptr, 0}, t);
  return {make(b, llvm::Instruction::Sub, left, y.base), x.offset - y.offset, -1, x.facts - y.facts};
}

Reg multiply(Kernel::Builder& b, Reg x, Reg y, Type t) {
  if (!x.base) std::swap(x, y);
  if (!y.base) {
    if (!x.base || y.offset == 0) return {nullptr, x.base ? 0 : x.offset * y.offset};
    if (y.offset == 1) return x;
    llvm::Value* scaled = make(b, llvm::Instruction::Mul, x.base, b.value({nullptr, y.offset}, t));
    return {scaled, x.offset * y.offset, -1, x.facts * Facts::exactly(y.offset)};
  }
  x = whole(b, x, t), y = whole(b, y, t);
  return plain(make(b, llvm::Instruction::Mul, x.base, y.base), x.facts * y.facts);
}

/// x div d and x mod d for x ≥ 0: with x = base + d·q + r_hi + r_lo, where base is a multiple of g = gcd(d, base's
/// divisor) and 0 ≤ r_lo < g, registers that differ in q and r_lo only share their base.
Reg divide(Kernel::Builder& b, const Reg& x, std::int64_t d, Type t, bool remainder) {
  std::int64_t g = std::gcd(x.facts.divisor, d);
  std::int64_t q = floor_multiple(x.offset, d) / d, r = x.offset - q * d;
  std::int64_t r_hi = floor_multiple(r, g), r_lo = r - r_hi;
  if (!x.base) return {nullptr, remainder ? r : q};
  // The base with a negative remainder taken off could dip below zero; then the plain way is the right one.
  if (x.facts.lo + r_hi < 0) r_hi = x.offset - r_lo, q = 0;
  Reg top = whole(b, {x.base, r_hi, -1, x.facts}, t);
  llvm::Value* by = b.value({nullptr, d}, t);
  if (remainder) {
    if (d == 1) return {nullptr, 0};
    return {make(b, llvm::Instruction::URem, top.base, by), r_lo, -1, pagejit::remainder(top.facts, d)};
  }
  if (d == 1) return {top.base, q + r_lo, -1, top.facts};
  return {make(b, llvm::Instruction::UDiv, top.base, by), q, -1, pagejit::divide(top.facts, d)};
}

Reg divide_by_value(Kernel::Builder& b, const Reg& x, const Reg& y, Type t, bool remainder) {
  llvm::Value *n = b.value(x, t), *d = b.value(y, t);
  if (x.all().never_negative() && y.all().never_negative())
    return plain(remainder ? make(b, llvm::Instruction::URem, n, d) : make(b, llvm::Instruction::UDiv, n, d),
                 Facts::range(0, x.all().hi));
  return plain(remainder ? make(b, llvm::Instruction::SRem, n, d) : make(b, llvm::Instruction::SDiv, n, d),
               Facts::of_bits(bits(t)));
}

Reg extreme(Kernel::Builder& b, const Reg& x, const Reg& y, Type t, bool smaller) {
  if (!x.base && !y.base) return {nullptr, smaller ? std::min(x.offset, y.offset) : std::max(x.offset, y.offset)};
  llvm::Value* v =
      b.ir.CreateBinaryIntrinsic(smaller ? llvm::Intrinsic::smin : llvm::Intrinsic::smax, b.value(x, t), b.value(y, t));
  return plain(v, smaller ? min(x.all(), y.all()) : max(x.all(), y.all()));
}

Reg bitwise(Kernel::Builder& b, Binary op, const Reg& x, const Reg& y, Type t) {
  if (op == Binary::bit_and && t == Type::i1) {  // a condition that is known leaves the other one, or nothing
    if (!x.base) return x.offset != 0 ? y : x;
    if (!y.base) return y.offset != 0 ? x : y;
  }
  llvm::Value *l = b.value(x, t), *r = b.value(y, t);
  Facts unknown = t == Type::i1 ? Facts::range(0, 1) : Facts::of_bits(bits(t));
  switch (op) {
    case Binary::bit_and:
      if (!y.base && y.offset >= 0) unknown = Facts::range(0, y.offset);
      return plain(make(b, llvm::Instruction::And, l, r), unknown);
    case Binary::bit_or:
      return plain(make(b, llvm::Instruction::Or, l, r), unknown);
    case Binary::bit_xor:
      return plain(make(b, llvm::Instruction::Xor, l, r), unknown);
    default:
      fail(Code::internal, "not a bitwise operation");
  }
}

Reg shift(Kernel::Builder& b, Binary op, const Reg& x, const Reg& y, Type t) {
  if (!y.base && op == Binary::shl) return multiply(b, x, {nullptr, std::int64_t{1} << y.offset}, t);
  if (!y.base && x.all().never_negative()) return divide(b, x, std::int64_t{1} << y.offset, t, false);
  llvm::Value *l = b.value(x, t), *r = b.value(y, t);
  return plain(make(b, op == Binary::shl ? llvm::Instruction::Shl : llvm::Instruction::AShr, l, r),
               Facts::of_bits(bits(t)));
}

}  // namespace

Reg integer(Kernel::Builder& b, Binary op, const Reg& x, const Reg& y, Type t) {
  auto kept = [&](Reg r) { return r.facts = clipped(r.facts, bits(t)), r; };
  switch (op) {
    case Binary::add:
      return kept(add(b, x, y));
    case Binary::sub:
      return kept(subtract(b, x, y, t));
    case Binary::mul:
      return kept(multiply(b, x, y, t));
    case Binary::div:
    case Binary::rem: {
      bool remainder = op == Binary::rem;
      if (!y.base && y.offset >= 1 && x.all().never_negative()) return kept(divide(b, x, y.offset, t, remainder));
      return kept(divide_by_value(b, x, y, t, remainder));
    }
    case Binary::min:
      return kept(extreme(b, x, y, t, true));
    case Binary::max:
      return kept(extreme(b, x, y, t, false));
    case Binary::shl:
    case Binary::shr:
      return kept(shift(b, op, x, y, t));
    default:
      return bitwise(b, op, x, y, t);
  }
}

Reg integer_compare(Kernel::Builder& b, Compare op, Reg x, Reg y, Type t) {
  if (op == Compare::gt || op == Compare::le) {  // x > y is y < x
    std::swap(x, y);
    op = op == Compare::gt ? Compare::lt : Compare::ge;
  }
  if (op == Compare::lt || op == Compare::ge) {
    // base_x + c < base_y: between two multiples of g nothing changes, so all registers with the same floor share one
    // test.
    std::int64_t c = x.offset - y.offset, g = std::gcd(x.facts.divisor, y.facts.divisor);
    if (g > 0) c = floor_multiple(c, g);
    x.offset = c, y.offset = 0;
    if (x.all().hi < y.all().lo) return {nullptr, op == Compare::lt ? 1 : 0};
    if (x.all().lo >= y.all().hi && x.all().lo != std::numeric_limits<std::int64_t>::min() &&
        y.all().hi != std::numeric_limits<std::int64_t>::max())
      return {nullptr, op == Compare::lt ? 0 : 1};
    llvm::CmpInst::Predicate p = op == Compare::lt ? llvm::CmpInst::ICMP_SLT : llvm::CmpInst::ICMP_SGE;
    return plain(test(b, p, b.value(x, t), b.value(y, t)), Facts::range(0, 1));
  }
  llvm::CmpInst::Predicate p = op == Compare::eq ? llvm::CmpInst::ICMP_EQ : llvm::CmpInst::ICMP_NE;
  return plain(test(b, p, b.value(x, t), b.value(y, t)), Facts::range(0, 1));
}

Reg widen(Kernel::Builder& b, const Reg& x, Type from, Type to) {
  if (!x.base || from == to) return x;
  llvm::Type* type = b.type(to);
  // A base that may be negative is extended with its sign; base + offset does not wrap, so the offset may follow later.
  bool positive = x.facts.never_negative();
  llvm::Value* v = b.once(positive ? 2000 : 2001, x.base, nullptr,
                          [&] { return positive ? b.ir.CreateZExt(x.base, type) : b.ir.CreateSExt(x.base, type); });
  return {v, x.offset, -1, clipped(x.facts, bits(from))};
}

}  // namespace pagejit
