#include "kernels/attend/template_products.h"

#include "compiler/convert.h"
#include "compiler/dot.h"

namespace pagejit::attend {
namespace {

Layout turned_round(const Layout& l) {
  return l.permuted(std::array{1, 0});
}
/// The same registers as a tile with its dims in the other order.
Tile turned_round(const Tile& t) {
  return relabelled(t, turned_round(*t.layout()));
}

}  // namespace

Products::Products(Kernel& k, const Spec& s) : k_(k), s_(s), across_(s.across) {}

Layout Products::rows(int depth) const {
  if (turned()) return turned_round(Layout::mma_b(depth, s_.rows, {across_, s_.down}));
  return Layout::mma_a(s_.rows, depth, {s_.down, across_});
}

Layout Products::others(int depth, int columns) const {
  if (turned()) return turned_round(Layout::mma_a(columns, depth, {across_, s_.down}));
  return Layout::mma_b(depth, columns, {s_.down, across_});
}

Layout Products::sums(int columns, int across) const {
  if (turned()) return turned_round(Layout::mma_c(columns, s_.rows, {across, s_.down}));
  return Layout::mma_c(s_.rows, columns, {s_.down, across});
}

Layout Products::whole_sums(int columns) const {
  Layout one = sums(columns, 1);
  auto copy = [](std::span<const Coords> bases) { return std::vector<Coords>(bases.begin(), bases.end()); };
  std::vector<Coords> warp = copy(one.warp_bases());
  for (int n = 1; n < across_; n *= 2) warp.push_back({});
  return Layout::of({s_.rows, columns}, copy(one.reg_bases()), copy(one.lane_bases()), std::move(warp));
}

Tile Products::dot(const Tile& rows, const Tile& others, const Tile& sums) const {
  if (!turned()) return pagejit::dot(k_, rows, others, sums);
  return turned_round(pagejit::dot(k_, turned_round(others), turned_round(rows), turned_round(sums)));
}

Tile Products::as_rows(const Tile& sums) const {
  if (!turned()) return convert(k_, sums, rows(sums.layout()->shape()[1]));
  return turned_round(as_second_operand(k_, turned_round(sums)));
}

}  // namespace pagejit::attend
