#include "kernels/rope/template_rotation.h"

#include <memory>

namespace pagejit::rope {
namespace {

/// Each thread's own `count` neighbours, 0 … count − 1.
Tile neighbours(Kernel& k, int count) {
  return k.arange(Layout::linear(count, count, k.warps()));
}

/// Every second register, from `first` on, as a tile of `layout`.
Tile every_second(const Tile& a, int first, const std::shared_ptr<const Layout>& layout) {
  std::vector<Reg> regs;
  for (int i = first; i < a.registers(); i += 2) regs.push_back(a.reg(i));
  return Tile(a.kernel(), a.type(), layout, std::move(regs));
}

Tile alternating(const Tile& even, const Tile& odd, const std::shared_ptr<const Layout>& layout) {
  std::vector<Reg> regs;
  for (int i = 0; i < layout->registers(); ++i) regs.push_back((i % 2 ? odd : even).reg(i / 2));
  return Tile(even.kernel(), even.type(), layout, std::move(regs));
}

struct Pairs {
  Tile first, second;
};

Pairs rotated_pairs(const Pairs& x, const Angles& a) {
  return {fma(x.first, a.cosine, unary(Unary::neg, x.second * a.sine)), fma(x.second, a.cosine, x.first * a.sine)};
}

}  // namespace

std::vector<Tile> columns_of(Kernel& k, const Spec& s, int part, const Value& first) {
  int count = columns(s, part);
  if (!rotated(part)) return {first + neighbours(k, count)};
  if (s.style == Style::interleaved) return {first * 2 + neighbours(k, count)};
  Tile half = first + neighbours(k, count / 2);
  return {half, half + s.rope_dim / 2};
}

Angles load_angles(Kernel& k, const Spec& s, const Lists& lists, const Value& position, const Value& first_pair,
                   const Value& live) {
  Tile pair = first_pair + neighbours(k, columns(s, q_rope) / 2);
  Tile at = wide(position) * lists.table_row + pair;
  Angles a;
  a.cosine = k.load(lists.table + at, live, "cosine");
  a.sine = k.load(lists.table + (at + s.rope_dim / 2), live, "sine");
  return a;
}

std::vector<Tile> rotate(Kernel&, const Spec& s, const std::vector<Tile>& x, const Angles& a) {
  if (s.style == Style::neox) {
    Pairs y = rotated_pairs({x[0], x[1]}, a);
    return {y.first, y.second};
  }
  auto layout = a.cosine.layout();
  Pairs y = rotated_pairs({every_second(x[0], 0, layout), every_second(x[0], 1, layout)}, a);
  return {alternating(y.first, y.second, x[0].layout())};
}

}  // namespace pagejit::rope
