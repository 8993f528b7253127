#include "compiler/reduce.h"

#include <fmt/format.h>

#include "compiler/across.h"
#include "compiler/builder.h"
#include "compiler/convert.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

Tile combine(Reduce how, const Tile& a, const Tile& b) {
  constexpr Binary ops[] = {Binary::add, Binary::max, Binary::min};
  return binary(ops[static_cast<int>(how)], a, b);
}

/// Which bits of one kind move along the reduced dim, and which only make copies.
struct Bits {
  int along = 0, copies = 0;
};

Bits bits_along(std::span<const Coords> bases, std::size_t dim) {
  Bits bits;
  for (std::size_t i = 0; i < bases.size(); ++i) {
    if (bases[i][dim] != 0) bits.along |= 1 << i;
    if (bases[i] == Coords{}) bits.copies |= 1 << i;
  }
  return bits;
}

/// Each bit moves along `dim` or across it, and those that move nothing are the only copies.
bool direct(const Layout& l, std::size_t dim) {
  Gf2Span all;
  for (auto bases : {l.reg_bases(), l.lane_bases(), l.warp_bases()})
    for (Coords c : bases) {
      if (c == Coords{}) continue;
      if (!all.add(l.flat(c))) return false;
      if (c[dim] == 0) continue;
      c[dim] = 0;
      if (c != Coords{}) return false;
    }
  return true;
}

/// Any layout of the shape that `direct` takes.
Layout plain_layout(const Layout& l) {
  auto rank = static_cast<std::size_t>(l.rank());
  Layout::Dims ones(rank, 1), lanes = ones, warps = ones, order;
  lanes.back() = 32, warps.front() = l.warps();
  for (int d = l.rank(); d-- > 0;) order.push_back(d);
  return Layout::blocked({l.shape().begin(), l.shape().end()}, ones, lanes, warps, order);
}

/// Pairwise, so that sums are neither long chains nor less exact than they must be.
Tile in_registers(const Tile& a, Reduce how, const std::shared_ptr<const Layout>& result, Bits bits) {
  std::vector<Reg> regs = a.regs();
  auto one = [&](std::size_t r) { return Tile(a.kernel(), a.type(), nullptr, {regs[r]}); };
  for (int bit = 1; bit <= bits.along; bit *= 2) {
    if (!(bits.along & bit)) continue;
    auto step = static_cast<std::size_t>(bit);
    for (std::size_t r = 0; r < regs.size(); ++r)
      if (!(r & step) && !(static_cast<int>(r) & bits.copies)) regs[r] = combine(how, one(r), one(r | step)).reg(0);
    for (std::size_t r = 0; r < regs.size(); ++r) regs[r] = regs[r & ~step];
  }
  for (std::size_t r = 0; r < regs.size(); ++r) regs[r] = regs[r & ~static_cast<std::size_t>(bits.copies)];
  return Tile(a.kernel(), a.type(), result, std::move(regs));
}

/// The registers that differ: without those that hold a neighbour's copy.
std::vector<int> different_bits(const Layout& l) {
  std::vector<int> bits;
  for (int i = 0; (1 << i) < l.registers(); ++i)
    if (l.reg_basis(i) != Coords{}) bits.push_back(i);
  return bits;
}

Tile over_lanes(Kernel& k, Tile a, Reduce how, int lanes) {
  Kernel::Builder& b = k.builder();
  for (int bit = 1; bit <= lanes; bit *= 2) {
    if (!(lanes & bit)) continue;
    std::vector<Reg> other;
    for (const Reg& r : a.regs())
      other.push_back(
          plain(shuffled(b, MachineOp::shuffle_xor, b.value(r, a.type()), b.ir.getInt32(static_cast<unsigned>(bit))),
                is_integer(a.type()) ? r.all() : Facts{}));
    a = combine(how, a, Tile(k, a.type(), a.layout(), std::move(other)));
  }
  return a;
}

/// Where a partial result of [part, row] lies: the parts of the warps along the dim one after the other.
Layout partials(const Layout& rows, int warps_along, bool by_warp) {
  int count = rows.elements(), next = count;
  auto places = [&](std::span<const Coords> bases) {
    std::vector<Coords> all;
    for (const Coords& c : bases) all.push_back({static_cast<int>(rows.flat(c))});
    return all;
  };
  std::vector<Coords> warp = places(rows.warp_bases());
  for (std::size_t i = 0; i < warp.size(); ++i)
    if (warps_along >> i & 1) warp[i] = {by_warp ? next : 0}, next *= 2;
  return Layout::of({next}, places(rows.reg_bases()), places(rows.lane_bases()), std::move(warp));
}

Tile over_warps(Kernel& k, const Tile& a, Reduce how, int along, bool ordered) {
  const Layout& rows = *a.layout();
  Slot free = rows.free_bits();
  free.warp &= ~along;
  Layout written = partials(rows, along, true), read = partials(rows, along, false);
  Pointer buffer = k.shared("reduction", stored_as(a.type()), written.elements());
  Tile to = relabelled(k.arange(written), a.layout()), from = relabelled(k.arange(read), a.layout());
  if (!ordered) k.barrier();  // in a loop, the buffer may still be read from for the turn before
  k.store(buffer + to, to_stored(a), one_holder(k, free));
  k.barrier();
  Tile sum;
  for (int part = 0; part < written.elements(); part += rows.elements()) {
    Tile next = from_stored(k.load(buffer + (from + part), "partial"), a.type());
    sum = sum ? combine(how, sum, next) : next;
  }
  return sum;
}

}  // namespace

Tile reduce(Kernel& k, const Tile& a, int dim, Reduce how, bool ordered) {
  if (a.scalar()) fail(Code::internal, "a reduction of one value; give it a layout first");
  if (dim < 0 || dim >= a.layout()->rank())
    fail(Code::internal, fmt::format("a reduction along dim {} of a tile of {} dims", dim, a.layout()->rank()));
  auto d = static_cast<std::size_t>(dim);
  auto result = std::make_shared<const Layout>(a.layout()->slice(dim));
  if (!direct(*a.layout(), d))
    return convert(k, reduce(k, convert(k, a, plain_layout(*a.layout())), dim, how), *result);

  Tile whole = a;
  if (a.registers() != a.layout()->registers()) whole = k.full(*a.layout(), Value(a));
  Tile rows = in_registers(whole, how, result, bits_along(a.layout()->reg_bases(), d));
  std::vector<int> bits = different_bits(*result);
  Tile narrow = picked(rows, bits);
  narrow = over_lanes(k, narrow, how, bits_along(a.layout()->lane_bases(), d).along);
  int warps = bits_along(a.layout()->warp_bases(), d).along;
  if (warps) narrow = over_warps(k, narrow, how, warps, ordered);
  std::vector<Reg> regs;
  for (int r = 0; r < result->registers(); ++r) {
    int from = 0;
    for (std::size_t i = 0; i < bits.size(); ++i)
      if (r >> bits[i] & 1) from |= 1 << i;
    regs.push_back(narrow.reg(from));
  }
  return Tile(k, a.type(), result, std::move(regs));
}

}  // namespace pagejit
