// The fragments of mma.sync m16n8k16 as linear layouts: with g = lane / 4 and t = lane % 4,
//
//   A[g + 8·r1, 2t + r0 + 8·r2]    B[2t + r0 + 8·r1, g]    C[g + 8·r1, 2t + r0]       (r0, r1, r2: the register's bits)
#include <fmt/format.h>

#include "compiler/layout.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// A fragment grows to its tile: first the axis that needs no warps, then warps, then the other axis over registers.
struct Axis {
  std::size_t dim;
  int from, to;  // bases from … to − 1
};

Coords along(std::size_t dim, int by) {
  Coords c{};
  c[dim] = by;
  return c;
}

void grow(std::vector<Coords>& bases, Axis axis) {
  for (int by = axis.from; by < axis.to; by *= 2) bases.push_back(along(axis.dim, by));
}

void check(const char* name, int size, int least) {
  if (size < least || (size & (size - 1)) != 0)
    fail(Code::internal,
         fmt::format("an mma fragment with {} = {}; expected a power of two, at least {}", name, size, least));
}

/// Lane bits 0 and 1 step by pairs along `pairs`, bits 2 … 4 along `rows`.
std::vector<Coords> quads(std::size_t pairs, std::size_t rows) {
  return {along(pairs, 2), along(pairs, 4), along(rows, 1), along(rows, 2), along(rows, 4)};
}

}  // namespace

Layout Layout::mma_a(int m, int k, std::array<int, 2> warps) {
  check("m", m, 16 * warps[0]);
  check("k", k, 16);
  std::vector<Coords> reg{along(1, 1), along(0, 8), along(1, 8)}, warp;
  grow(reg, {1, 16, k});
  grow(warp, {0, 16, 16 * warps[0]});
  for (int n = 1; n < warps[1]; n *= 2) warp.push_back({});
  grow(reg, {0, 16 * warps[0], m});
  return of({m, k}, std::move(reg), quads(1, 0), std::move(warp));
}

Layout Layout::mma_b(int k, int n, std::array<int, 2> warps) {
  check("k", k, 16);
  check("n", n, 8 * warps[1]);
  std::vector<Coords> reg{along(0, 1), along(0, 8)}, warp;
  grow(reg, {0, 16, k});
  for (int m = 1; m < warps[0]; m *= 2) warp.push_back({});
  grow(warp, {1, 8, 8 * warps[1]});
  grow(reg, {1, 8 * warps[1], n});
  return of({k, n}, std::move(reg), quads(0, 1), std::move(warp));
}

Layout Layout::mma_c(int m, int n, std::array<int, 2> warps) {
  check("m", m, 16 * warps[0]);
  check("n", n, 8 * warps[1]);
  std::vector<Coords> reg{along(1, 1), along(0, 8)}, warp;
  grow(warp, {0, 16, 16 * warps[0]});
  grow(warp, {1, 8, 8 * warps[1]});
  grow(reg, {1, 8 * warps[1], n});
  grow(reg, {0, 16 * warps[0], m});
  return of({m, n}, std::move(reg), quads(1, 0), std::move(warp));
}

}  // namespace pagejit
