// What a sequence's turns hand on: template_softmax.cpp begins and ends it, template_turn.cpp takes keys in.
#pragma once
#include <limits>
#include <span>
#include <vector>

#include "compiler/kernel.h"
#include "kernels/attend/spec.h"
#include "kernels/attend/template_products.h"

namespace pagejit::attend {

constexpr double log2e = 1.4426950408889634;
constexpr double none_yet = -std::numeric_limits<double>::infinity();  // the base of rows that have seen nothing

/// What the state of the loop holds. Codes with scales of their own have two more: see weighted().
enum Carried : std::size_t { max_, sum_, unit_, rest_ };

/// Whether zeros are elements that tensor cores multiply with: then they sum what zeros come to.
inline bool half_zeros(const Spec& s) {
  return s.meta == Elem::f16;
}

inline std::size_t outs(const Spec& s) {
  return model_metadata(s.quant) ? rest_ + 1 : unit_;
}

/// Whether threads sum their weights up by themselves: few they are, and products take them in another form.
inline bool own_sums(const Spec& s) {
  return Products::turned(s) && model_metadata(s.quant);
}

inline Tile real_tile(Kernel& k, const Layout& l, double value) {
  return k.full(l, Value(real(Tile(k.constant(Type::f32, 0)), value)));
}

/// For what each thread makes of its own part of a row: as scores lie, but one register a row, the others its copies.
inline Layout in_threads(const Layout& scores) {
  std::vector<Coords> reg;
  for (const Coords& c : scores.reg_bases()) reg.push_back(c[1] == 0 ? c : Coords{});
  auto copy = [](std::span<const Coords> bases) { return std::vector<Coords>(bases.begin(), bases.end()); };
  auto shape = scores.shape();
  return Layout::of({shape.begin(), shape.end()}, std::move(reg), copy(scores.lane_bases()), copy(scores.warp_bases()));
}

}  // namespace pagejit::attend
