// Elementwise operations on tiles. Registers with equal operands share one result; loaded vectors are worked on whole.
#include <llvm/IR/Intrinsics.h>

#include <functional>
#include <map>
#include <tuple>

#include "compiler/arith.h"
#include "compiler/builder.h"
#include "compiler/layout.h"
#include "runtime/base/error.h"

namespace pagejit {

std::shared_ptr<const Layout> common_layout(const Tile& a, const Tile& b) {
  if (a.scalar()) return b.layout();
  if (b.scalar() || a.layout() == b.layout()) return a.layout();
  // A dim of size 1 broadcasts: a layout and its slice agree on who holds what, so the registers line up.
  const Layout &la = *a.layout(), &lb = *b.layout();
  if (la == lb) return a.layout();
  if (la.rank() == lb.rank() && la.registers() == lb.registers()) {
    bool a_wider = true, b_wider = true;
    for (int d = 0; d < la.rank(); ++d) {
      std::size_t i = static_cast<std::size_t>(d);
      if (la.shape()[i] == lb.shape()[i]) continue;
      if (la.shape()[i] != 1) b_wider = false;
      if (lb.shape()[i] != 1) a_wider = false;
    }
    auto is_slice = [](Layout wide, const Layout& narrow) {
      for (int d = 0; d < wide.rank(); ++d)
        if (narrow.shape()[static_cast<std::size_t>(d)] == 1 && wide.shape()[static_cast<std::size_t>(d)] != 1)
          wide = wide.slice(d);
      return wide == narrow;
    };
    if (a_wider && is_slice(la, lb)) return a.layout();
    if (b_wider && is_slice(lb, la)) return b.layout();
  }
  fail(Code::internal, "two tiles of different layouts meet in one operation; convert one of them first",
       {{"left", la.text()}, {"right", lb.text()}});
}

namespace {

using Key = std::tuple<llvm::Value*, std::int64_t, int, llvm::Value*, std::int64_t, int>;
Key key(const Reg& x, const Reg& y) {
  return {x.base, x.offset, x.lane, y.base, y.offset, y.lane};
}

int lanes(const Reg& r) {
  return r.lane < 0 ? 1 : static_cast<int>(llvm::cast<llvm::FixedVectorType>(r.base->getType())->getNumElements());
}

/// f on every pair of registers, once for each distinct pair.
template <class F>
Tile each(const Tile& a, const Tile& b, Type result, F f) {
  auto layout = common_layout(a, b);
  int n = std::max(a.registers(), b.registers());
  std::map<Key, Reg> done;
  std::vector<Reg> regs;
  for (int i = 0; i < n; ++i) {
    auto [at, fresh] = done.try_emplace(key(a.reg(i), b.reg(i)));
    if (fresh) at->second = f(a.reg(i), b.reg(i));
    regs.push_back(at->second);
  }
  return Tile(a.kernel(), result, layout, std::move(regs));
}

/// f on every triple of registers, once for each distinct one: what was one value stays one, so that addresses made of
/// it are still seen to be neighbours.
template <class F>
Tile each_triple(const Tile& a, const Tile& b, const Tile& c, Type result, std::shared_ptr<const Layout> layout, F f) {
  int n = std::max({a.registers(), b.registers(), c.registers()});
  std::map<std::pair<Key, Key>, Reg> done;
  std::vector<Reg> regs;
  for (int i = 0; i < n; ++i) {
    const Reg &x = a.reg(i), &y = b.reg(i), &z = c.reg(i);
    auto [at, fresh] = done.try_emplace({key(x, y), key(z, z)});
    if (fresh) at->second = f(x, y, z);
    regs.push_back(at->second);
  }
  return Tile(a.kernel(), result, std::move(layout), std::move(regs));
}

/// f on whole vectors where the registers are lanes of loaded ones; `f` takes llvm values of one shape.
template <class F>
Tile each_vector(const Tile& a, const Tile& b, Type result, F f) {
  Kernel::Builder& k = a.kernel().builder();
  std::map<std::pair<llvm::Value*, llvm::Value*>, llvm::Value*> done;
  return each(a, b, result, [&](const Reg& x, const Reg& y) -> Reg {
    bool whole = (x.lane >= 0 && y.lane >= 0 && x.lane == y.lane && lanes(x) == lanes(y)) ||
                 (x.lane >= 0 && y.lane < 0) || (y.lane >= 0 && x.lane < 0);
    if (!whole) return plain(f(k.value(x, a.type()), k.value(y, b.type())), Facts::of_bits(bits(result)));
    int lane = std::max(x.lane, y.lane), n = std::max(lanes(x), lanes(y));
    auto full = [&](const Reg& r, Type t) {
      return r.lane >= 0 ? r.base : k.ir.CreateVectorSplat(static_cast<unsigned>(n), k.value(r, t));
    };
    // A splat's value is part of its identity: constants of one offset are one llvm value.
    llvm::Value* left = x.lane >= 0 ? x.base : k.value(x, a.type());
    llvm::Value* right = y.lane >= 0 ? y.base : k.value(y, b.type());
    llvm::Value*& v = done[{left, right}];
    if (!v) v = f(full(x, a.type()), full(y, b.type()));
    return {v, 0, lane, {}};
  });
}

Tile integer_binary(Binary op, Tile a, Tile b) {
  if (a.type() == Type::i64 && b.type() != Type::i64) b = wide(b);
  if (b.type() == Type::i64 && a.type() != Type::i64) a = wide(a);
  if (a.type() != b.type())
    fail(Code::internal, "integers of different types meet in one operation; cast one of them first");
  Kernel::Builder& k = a.kernel().builder();
  auto unvectored = [&](const Reg& r) {
    return r.lane < 0 ? r : plain(k.value(r, a.type()), Facts::of_bits(bits(a.type())));
  };
  return each(a, b, a.type(),
              [&](const Reg& x, const Reg& y) { return integer(k, op, unvectored(x), unvectored(y), a.type()); });
}

llvm::Value* float_binary(Kernel::Builder& k, Binary op, llvm::Value* x, llvm::Value* y) {
  switch (op) {
    case Binary::add:
      return k.ir.CreateFAdd(x, y);
    case Binary::sub:
      return k.ir.CreateFSub(x, y);
    case Binary::mul:
      return k.ir.CreateFMul(x, y);
    case Binary::div:
      return k.ir.CreateFDiv(x, y);
    case Binary::min:
      return k.ir.CreateMinNum(x, y);
    case Binary::max:
      return k.ir.CreateMaxNum(x, y);
    default:
      fail(Code::internal, "an integer operation on floats");
  }
}

}  // namespace

Tile binary(Binary op, const Tile& a, const Tile& b) {
  if (is_integer(a.type()) && is_integer(b.type())) return integer_binary(op, a, b);
  if (a.type() != b.type()) fail(Code::internal, "different types meet in one operation; cast one of them first");
  Kernel::Builder& k = a.kernel().builder();
  return each_vector(a, b, a.type(), [&](llvm::Value* x, llvm::Value* y) { return float_binary(k, op, x, y); });
}

Tile compare(Compare op, const Tile& a, const Tile& b) {
  Kernel::Builder& k = a.kernel().builder();
  if (is_integer(a.type())) {
    Tile x = b.type() == Type::i64 ? wide(a) : a, y = a.type() == Type::i64 ? wide(b) : b;
    return each(x, y, Type::i1, [&](const Reg& l, const Reg& r) { return integer_compare(k, op, l, r, x.type()); });
  }
  constexpr llvm::CmpInst::Predicate table[] = {llvm::CmpInst::FCMP_OLT, llvm::CmpInst::FCMP_OLE,
                                                llvm::CmpInst::FCMP_OGT, llvm::CmpInst::FCMP_OGE,
                                                llvm::CmpInst::FCMP_OEQ, llvm::CmpInst::FCMP_UNE};
  return each(a, b, Type::i1, [&](const Reg& l, const Reg& r) {
    return plain(k.ir.CreateFCmp(table[static_cast<int>(op)], k.value(l, a.type()), k.value(r, b.type())),
                 Facts::range(0, 1));
  });
}

Tile unary(Unary op, const Tile& a) {
  Kernel::Builder& k = a.kernel().builder();
  if (is_integer(a.type())) {
    if (op == Unary::neg) return binary(Binary::sub, number(a, 0), a);
    fail(Code::internal, "a float operation on integers");
  }
  Tile none(a.kernel(), a.type(), nullptr, {Reg{}});
  return each_vector(a, none, a.type(), [&](llvm::Value* x, llvm::Value*) -> llvm::Value* {
    llvm::Type* t = x->getType();
    switch (op) {
      case Unary::neg:
        return k.ir.CreateFNeg(x);
      case Unary::abs:
        return k.ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      case Unary::exp2:
        return k.ir.CreateUnaryIntrinsic(llvm::Intrinsic::exp2, x);
      case Unary::log2:
        return k.ir.CreateUnaryIntrinsic(llvm::Intrinsic::log2, x);
      case Unary::sqrt:
        return k.ir.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x);
      case Unary::rcp:
        return k.ir.CreateFDiv(llvm::ConstantFP::get(t, 1.0), x);
    }
    fail(Code::internal, "not a unary operation");
  });
}

Tile fast(MachineOp op, const Tile& a) {
  Kernel::Builder& k = a.kernel().builder();
  return each(a, Tile(a.kernel(), a.type(), nullptr, {Reg{}}), a.type(),
              [&](const Reg& x, const Reg&) { return plain(k.op(op, {k.value(x, a.type())})); });
}

namespace {
Tile counted(const Tile& a, std::function<llvm::Value*(llvm::IRBuilder<>&, llvm::Value*)> count) {
  if (a.type() != Type::i32) fail(Code::internal, "bits are counted in i32 only");
  Kernel::Builder& k = a.kernel().builder();
  return each(a, Tile(a.kernel(), a.type(), nullptr, {Reg{}}), Type::i32,
              [&](const Reg& x, const Reg&) { return plain(count(k.ir, k.value(x, Type::i32)), Facts::range(0, 32)); });
}
}  // namespace

Tile count_bits(const Tile& a) {
  return counted(
      a, [](llvm::IRBuilder<>& ir, llvm::Value* v) { return ir.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, v); });
}

Tile lowest_bit(const Tile& a) {
  return counted(a, [](llvm::IRBuilder<>& ir, llvm::Value* v) {
    return ir.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, v, ir.getFalse());
  });
}

Tile number(const Tile& like, std::int64_t value) {
  if (!is_integer(like.type())) return real(like, static_cast<double>(value));
  return Tile(like.kernel(), like.type(), nullptr, {Reg{nullptr, value}});
}

Tile real(const Tile& like, double value) {
  if (is_integer(like.type())) fail(Code::internal, "a fraction meets an integer tile; cast the tile first");
  Kernel::Builder& k = like.kernel().builder();
  return Tile(like.kernel(), like.type(), nullptr, {Reg{llvm::ConstantFP::get(k.type(like.type()), value), 0, -1, {}}});
}

Tile select(const Tile& condition, const Tile& a, const Tile& b) {
  Kernel::Builder& k = a.kernel().builder();
  if (a.type() != b.type()) fail(Code::internal, "select between different types");
  auto layout = common_layout(condition, Tile(a.kernel(), a.type(), common_layout(a, b), {Reg{}}));
  return each_triple(condition, a, b, a.type(), layout, [&](const Reg& c, const Reg& x, const Reg& y) {
    if (!c.base) return c.offset != 0 ? x : y;
    Facts facts =
        is_integer(a.type()) && x.lane < 0 && y.lane < 0 ? either(x.all(), y.all()) : Facts::of_bits(bits(a.type()));
    return plain(k.ir.CreateSelect(k.value(c, Type::i1), k.value(x, a.type()), k.value(y, b.type())), facts);
  });
}

Tile fma(const Tile& a, const Tile& b, const Tile& c) {
  Kernel::Builder& k = a.kernel().builder();
  auto layout = common_layout(a, Tile(b.kernel(), b.type(), common_layout(b, c), {Reg{}}));
  return each_triple(a, b, c, a.type(), layout, [&](const Reg& l, const Reg& m, const Reg& r) {
    llvm::Value *x = k.value(l, a.type()), *y = k.value(m, b.type()), *z = k.value(r, c.type());
    return plain(k.ir.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z}));
  });
}

}  // namespace pagejit
