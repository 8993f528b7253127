#include "kernels/attend/template_split_layouts.h"

namespace pagejit::attend {
namespace {

using Bases = std::vector<Coords>;

/// Steps of a dim: from, 2 · from, … below `to`.
void grow(Bases& bases, std::size_t dim, int from, int to) {
  for (int by = from; by < to; by *= 2) {
    Coords c{};
    c[dim] = by;
    bases.push_back(c);
  }
}

/// Warps across are neighbours, so that each of an SM's four schedulers has warps of both groups.
Bases warp_bases(const Spec& s, Coords across, Coords down) {
  Bases all;
  for (int n = 1; n < s.across; n *= 2) all.push_back({across[0] * n, across[1] * n});
  for (int n = 1; n < s.down; n *= 2) all.push_back({down[0] * n, down[1] * n});
  return all;
}

const Bases pairs_by_row{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};  // the lanes of fragments A and C
const Bases pairs_by_column{{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}};

}  // namespace

Layout query_layout(const Spec& s) {
  int rows = s.rows / s.down, part = block / s.across;
  Bases reg{{0, 1}, {8, 0}, {0, 8}};
  grow(reg, 0, 16, rows);
  return Layout::of({s.rows, block}, reg, pairs_by_row, warp_bases(s, {8, part}, {rows, 0}));
}

Layout row_layout(const Spec& s) {
  int rows = s.rows / s.down;
  Bases reg{{0, 1}, {0, 2}, {0, 4}};
  grow(reg, 0, 4 * s.across, rows);
  return Layout::of({s.rows, block}, reg, {{0, 8}, {0, 16}, {0, 32}, {1, 0}, {2, 0}}, warp_bases(s, {4, 0}, {rows, 0}));
}

Layout key_layout(const Spec& s) {
  Bases reg{{0, 1}, {0, 8}};
  grow(reg, 0, 8, s.keys);
  return Layout::of({s.keys, block}, reg, pairs_by_row, warp_bases(s, {0, block / s.across}, {}));
}

Layout value_layout(const Spec& s) {
  Bases reg{{1, 0}, {8, 0}};
  grow(reg, 1, 8 * s.across, block);
  grow(reg, 0, 16, s.keys);
  return Layout::of({s.keys, block}, reg, pairs_by_column, warp_bases(s, {0, 8}, {}));
}

Layout weight_layout(const Spec& s) {
  Bases reg{{0, 1}, {8, 0}, {0, 8}};
  grow(reg, 0, 16, s.rows / s.down);
  grow(reg, 1, 16, s.keys);
  return Layout::of({s.rows, s.keys}, reg, pairs_by_row, warp_bases(s, {}, {s.rows / s.down, 0}));
}

Layout sum_layout(const Spec& s) {
  int rows = s.rows / s.down;
  Bases reg{{0, 1}, {8, 0}};
  grow(reg, 1, 8 * s.across, block);
  grow(reg, 0, 16, rows);
  return Layout::of({s.rows, block}, reg, pairs_by_row, warp_bases(s, {0, 8}, {rows, 0}));
}

Layout score_layout(const Spec& s) {
  Bases reg{{0, 1}};
  grow(reg, 1, 8, s.keys);
  return Layout::of({s.rows, s.keys}, reg, pairs_by_row, warp_bases(s, {8, 0}, {s.rows / s.down, 0}));
}

Layout lane_layout(const Spec& s) {
  return Layout::of({s.rows, 4}, {}, {{0, 1}, {0, 2}, {1, 0}, {2, 0}, {4, 0}},
                    warp_bases(s, {8, 0}, {s.rows / s.down, 0}));
}

Layout sum_rows_layout(const Spec& s) {
  Bases reg;
  grow(reg, 0, 8, s.rows / s.down);
  return Layout::of({s.rows, 1}, reg, {{}, {}, {1, 0}, {2, 0}, {4, 0}}, warp_bases(s, {}, {s.rows / s.down, 0}));
}

Layout given_layout(const Spec& s) {
  return Layout::of({64}, {{1}}, {{2}, {4}, {8}, {16}, {32}}, warp_bases(s, {}, {}));
}

}  // namespace pagejit::attend
