// Values and tiles: what a template computes with. Operators emit code; nothing here is known while emitting, save
// facts.
//
// A tile's register is kept as base + offset: neighbouring registers of a thread that differ by a constant share one
// base. So contiguity is visible (same base, offsets that step by one), equal work is emitted once, and constants fold
// into addresses. A loaded vector is a base too, and a register one lane of it: a copy never takes a vector apart.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "compiler/facts.h"
#include "compiler/machine_op.h"
#include "runtime/base/elem.h"

namespace llvm {
class Value;
}

namespace pagejit {

class Kernel;
class Layout;

enum class Type : unsigned char { i1, i8, i16, i32, i64, f16, bf16, f32 };

constexpr bool is_integer(Type t) {
  return t <= Type::i64;
}
constexpr int bits(Type t) {
  constexpr int table[] = {1, 8, 16, 32, 64, 16, 16, 32};
  return table[static_cast<int>(t)];
}
/// The type that an element is loaded as: fp8 comes as the i8 it is stored in.
Type type_of(Elem e);

/// One register of each thread.
struct Reg {
  llvm::Value* base = nullptr;      // null: the constant `offset`
  std::int64_t offset = 0;          // integers: added to the base
  int lane = -1;                    // ≥ 0: this element of the vector `base`
  Facts facts = Facts::exactly(0);  // of the base, without the offset

  bool same(const Reg& o) const { return base == o.base && offset == o.offset && lane == o.lane; }
  Facts all() const { return facts + Facts::exactly(offset); }
};

/// A block of values spread over the registers, lanes and warps of a program as its layout says.
/// Without a layout it is one value, the same in every thread or not (a Value), and broadcasts to any tile.
class Tile {
 public:
  Tile() = default;
  Tile(Kernel& kernel, Type type, std::shared_ptr<const Layout> layout, std::vector<Reg> regs)
      : kernel_(&kernel), type_(type), layout_(std::move(layout)), regs_(std::move(regs)) {}

  Kernel& kernel() const { return *kernel_; }
  Type type() const { return type_; }
  const std::shared_ptr<const Layout>& layout() const { return layout_; }
  int registers() const { return static_cast<int>(regs_.size()); }
  const Reg& reg(int i) const { return regs_.size() == 1 ? regs_[0] : regs_[static_cast<std::size_t>(i)]; }
  const std::vector<Reg>& regs() const { return regs_; }
  bool scalar() const { return layout_ == nullptr; }
  explicit operator bool() const { return kernel_ != nullptr; }

 private:
  Kernel* kernel_ = nullptr;
  Type type_ = Type::i32;
  std::shared_ptr<const Layout> layout_;
  std::vector<Reg> regs_;
};

/// A tile of one element.
class Value : public Tile {
 public:
  Value() = default;
  Value(Kernel& kernel, Type type, Reg reg) : Tile(kernel, type, nullptr, {reg}) {}
  explicit Value(const Tile& t) : Tile(t) {}
};

enum class Binary { add, sub, mul, div, rem, min, max, bit_and, bit_or, bit_xor, shl, shr };
enum class Compare { lt, le, gt, ge, eq, ne };
enum class Unary { neg, exp2, log2, rcp, abs, sqrt };  // all but neg: floats

// What the operators below call. Integers do not wrap (a template that overflows is wrong, as in C++); i32 meeting i64
// is widened; a number takes the other operand's type.
Tile binary(Binary op, const Tile& a, const Tile& b);
Tile compare(Compare op, const Tile& a, const Tile& b);
Tile unary(Unary op, const Tile& a);
Tile number(const Tile& like, std::int64_t value);
Tile real(const Tile& like, double value);

/// condition ? a : b, for each element.
Tile select(const Tile& condition, const Tile& a, const Tile& b);
/// a · b + c in one rounding, f32.
Tile fma(const Tile& a, const Tile& b, const Tile& c);
/// To another type. Floats round to nearest even (overflow to infinity); float → integer truncates and saturates; NaN
/// gives 0.
Tile cast(const Tile& a, Type to);
/// The same bits as another type of the same width.
Tile bitcast(const Tile& a, Type to);
/// To i64, keeping the sign. Addresses inside a cache or an output are always wide.
Tile wide(const Tile& a);

/// A machine operation of one f32 that gives one (exp2_fast, log2_fast, rcp_fast), for each element.
Tile fast(MachineOp op, const Tile& a);

/// How many bits of an i32 are set; the number of the lowest one (32 for none).
Tile count_bits(const Tile& a);
Tile lowest_bit(const Tile& a);
/// The template's promise, unchecked: every element that is used is a multiple of `divisor` (integers only).
Tile multiple_of(const Tile& a, std::int64_t divisor);

namespace detail {
template <class T>
concept Traced = std::derived_from<T, Tile>;
template <class T>
concept Operand = Traced<T> || std::is_arithmetic_v<T>;
template <class A, class B>
concept OnePair = Operand<A> && Operand<B> &&(Traced<A> || Traced<B>);
template <class T>
constexpr bool one_value = std::is_arithmetic_v<T> || std::is_same_v<T, Value>;

template <class T>
const Tile& lift(const T& x, const Tile&) requires Traced<T> {
  return x;
}
template <class T>
Tile lift(const T& x, const Tile& like) requires std::is_integral_v<T> {
  return number(like, static_cast<std::int64_t>(x));
}
template <class T>
Tile lift(const T& x, const Tile& like) requires std::is_floating_point_v<T> {
  return real(like, static_cast<double>(x));
}

/// Calls f on both operands as tiles; the result is a Value where both were.
template <class A, class B, class F>
auto pair(const A& a, const B& b, F f) {
  const Tile& like = [&]() -> const Tile& {
    if constexpr (Traced<A>)
      return a;
    else
      return b;
  }();
  Tile r = f(lift(a, like), lift(b, like));
  if constexpr (one_value<A> && one_value<B>)
    return Value(r);
  else
    return r;
}
}  // namespace detail

#define PJ_BINARY(symbol, name)                                                                         \
  template <class A, class B>                                                                           \
  requires detail::OnePair<A, B>                                                                        \
  auto operator symbol(const A& a, const B& b) {                                                        \
    return detail::pair(a, b, [](const Tile& x, const Tile& y) { return binary(Binary::name, x, y); }); \
  }
#define PJ_COMPARE(symbol, name)                                                                          \
  template <class A, class B>                                                                             \
  requires detail::OnePair<A, B>                                                                          \
  auto operator symbol(const A& a, const B& b) {                                                          \
    return detail::pair(a, b, [](const Tile& x, const Tile& y) { return compare(Compare::name, x, y); }); \
  }
PJ_BINARY(+, add)
PJ_BINARY(-, sub)
PJ_BINARY(*, mul)
PJ_BINARY(/, div)
PJ_BINARY(%, rem)
PJ_BINARY(&, bit_and)
PJ_BINARY(|, bit_or)
PJ_BINARY(^, bit_xor)
PJ_BINARY(<<, shl)
PJ_BINARY(>>, shr)
PJ_COMPARE(<, lt)
PJ_COMPARE(<=, le)
PJ_COMPARE(>, gt)
PJ_COMPARE(>=, ge)
PJ_COMPARE(==, eq)
PJ_COMPARE(!=, ne)
#undef PJ_BINARY
#undef PJ_COMPARE

template <class A, class B>
requires detail::OnePair<A, B>
auto minimum(const A& a, const B& b) {
  return detail::pair(a, b, [](const Tile& x, const Tile& y) { return binary(Binary::min, x, y); });
}
template <class A, class B>
requires detail::OnePair<A, B>
auto maximum(const A& a, const B& b) {
  return detail::pair(a, b, [](const Tile& x, const Tile& y) { return binary(Binary::max, x, y); });
}

}  // namespace pagejit
