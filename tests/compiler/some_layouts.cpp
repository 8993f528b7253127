#include "tests/compiler/some_layouts.h"

#include <algorithm>
#include <bit>

namespace pagejit {
namespace {

int log2(int n) {
  return std::countr_zero(static_cast<unsigned>(n));
}

int below(std::mt19937_64& random, int n) {
  return static_cast<int>(random() % static_cast<unsigned>(n));
}

/// The unit vectors, then sums of one into another: a random basis.
std::vector<std::uint64_t> random_basis(std::mt19937_64& random, int bits, int mixes) {
  std::vector<std::uint64_t> v;
  for (int i = 0; i < bits; ++i) v.push_back(std::uint64_t{1} << i);
  std::shuffle(v.begin(), v.end(), random);
  for (int i = 0; i < mixes && bits > 1; ++i) {
    auto a = static_cast<std::size_t>(below(random, bits)), b = static_cast<std::size_t>(below(random, bits));
    if (a != b) v[a] ^= v[b];
  }
  return v;
}

}  // namespace

std::vector<Layout> layouts_of(int m, int n, int warps) {
  std::vector<Layout> all;
  for (auto [lm, ln] : {std::pair{32, 1}, {8, 4}, {2, 16}, {1, 32}})
    for (int vec : {1, 2, 8})
      for (bool along_n : {true, false}) {
        Layout::Dims v = along_n ? Layout::Dims{1, vec} : Layout::Dims{vec, 1};
        Layout::Dims w = along_n ? Layout::Dims{warps, 1} : Layout::Dims{1, warps};
        all.push_back(Layout::blocked({m, n}, v, {lm, ln}, w, along_n ? Layout::Dims{1, 0} : Layout::Dims{0, 1}));
      }
  for (int wm = 1; wm <= warps; wm *= 2) {
    std::array<int, 2> grid{wm, warps / wm};
    if (m >= 16 * grid[0] && n >= 16) all.push_back(Layout::mma_a(m, n, grid));
    if (n >= 8 * grid[1] && m >= 16) all.push_back(Layout::mma_b(m, n, grid));
    if (m >= 16 * grid[0] && n >= 8 * grid[1]) all.push_back(Layout::mma_c(m, n, grid));
    if (n == 1 && m >= 16 * grid[0]) all.push_back(Layout::mma_c(m, 64, grid).slice(1));
  }
  return all;
}

Layout random_layout(std::mt19937_64& random, int m, int n, int warps) {
  int bits = log2(m) + log2(n), warp_bits = log2(warps);
  Layout shape = Layout::blocked({m, n}, {1, 1}, {1, 32}, {1, warps}, {1, 0});
  auto basis = random_basis(random, bits, below(random, 3) * bits);
  auto take = [&](bool may_copy) {
    if (basis.empty() || (may_copy && below(random, 6) == 0)) return Coords{};
    std::uint64_t v = basis.back();
    basis.pop_back();
    return shape.unflat(v);
  };
  std::vector<Coords> reg, lane, warp;
  for (int i = 0; i < 5; ++i) lane.push_back(take(true));
  for (int i = 0; i < warp_bits; ++i) warp.push_back(take(true));
  while (!basis.empty()) reg.push_back(take(true));
  return Layout::of({m, n}, reg, lane, warp);
}

}  // namespace pagejit
