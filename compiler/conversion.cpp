#include "compiler/conversion.h"

#include <algorithm>

#include "runtime/base/error.h"

namespace pagejit {
namespace {

bool same(std::span<const Coords> a, std::span<const Coords> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

/// Where every thread holds already all that it shall hold: the register for each register.
std::optional<std::vector<int>> renaming(const Layout& from, const Layout& to) {
  if (!same(from.lane_bases(), to.lane_bases()) || !same(from.warp_bases(), to.warp_bases())) return std::nullopt;
  Gf2Span registers;
  for (const Coords& c : from.reg_bases()) registers.add(from.flat(c));
  std::vector<int> source(static_cast<std::size_t>(to.registers()));
  for (int r = 0; r < to.registers(); ++r) {
    auto sum = registers.solve(to.flat(to.apply(r, 0, 0)));
    if (!sum) return std::nullopt;
    source[static_cast<std::size_t>(r)] = static_cast<int>(*sum);
  }
  return source;
}

}  // namespace

Conversion plan_conversion(const Layout& from, const Layout& to, int elem_bytes) {
  if (!std::equal(from.shape().begin(), from.shape().end(), to.shape().begin(), to.shape().end()) ||
      from.warps() != to.warps())
    fail(Code::internal, "a tile cannot change to a layout of another shape or for other warps",
         {{"from", from.text()}, {"to", to.text()}});
  if (!from.surjective())
    fail(Code::internal, "a tile whose layout leaves elements out cannot change its layout", {{"from", from.text()}});
  Conversion c;
  if (from == to) return c;
  if (auto source = renaming(from, to)) {
    c.kind = Conversion::Kind::registers;
    c.source = std::move(*source);
  } else if (auto shuffles = plan_shuffles(from, to)) {
    c.kind = Conversion::Kind::shuffles;
    c.shuffles = std::move(*shuffles);
  } else {
    c.kind = Conversion::Kind::shared;
    c.exchange = plan_exchange(from, to, elem_bytes);
  }
  return c;
}

}  // namespace pagejit
