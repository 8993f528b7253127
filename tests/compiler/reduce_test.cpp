// reduce() on the emulator against plain loops.
#include "compiler/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/compiler/some_layouts.h"
#include "tests/compiler/tile_program.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;

/// Each row's result, in double for floats and exactly for integers.
template <class T>
std::vector<double> expected(const std::vector<T>& in, int m, int n, int dim, Reduce how) {
  int rows = dim == 1 ? m : n, along = dim == 1 ? n : m;
  std::vector<double> all;
  for (int r = 0; r < rows; ++r) {
    auto element = [&](int i) {
      return static_cast<double>(in[static_cast<std::size_t>(dim == 1 ? r * n + i : i * n + r)]);
    };
    double v = element(0);
    for (int i = 1; i < along; ++i)
      v = how == Reduce::sum ? v + element(i) : how == Reduce::max ? std::max(v, element(i)) : std::min(v, element(i));
    all.push_back(v);
  }
  return all;
}

template <class T>
void check(Elem elem, const Layout& l, int dim, Reduce how, const std::vector<T>& in) {
  CAPTURE(l.text());
  CAPTURE(dim);
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, elem), l);
    Tile r = reduce(k, t, dim, how);
    CHECK(*r.layout() == l.slice(dim));
    store_every_slot(k, p.tensor(&Params::out, elem), r);
  };
  Layout rows = l.slice(dim);
  int slots = l.registers() * 32 * l.warps(), wrong = 0, differ = 0;
  auto out = run_block<T>(32 * l.warps(), in, static_cast<std::size_t>(slots), body);
  auto wanted = expected(in, l.shape()[0], l.shape()[1], dim, how);
  std::vector<const T*> seen(wanted.size());
  for (int i = 0; i < slots; ++i) {
    Coords at = rows.apply(i % l.registers(), i / l.registers() % 32, i / l.registers() / 32);
    auto row = static_cast<std::size_t>(at[0] + at[1]);
    const T& got = out[static_cast<std::size_t>(i)];
    double tolerance =
        std::is_floating_point_v<T> && how == Reduce::sum ? 1e-5 * l.shape()[static_cast<std::size_t>(dim)] : 0;
    wrong += !(std::abs(static_cast<double>(got) - wanted[row]) <= tolerance);
    differ += seen[row] && *seen[row] != got;
    seen[row] = &got;
  }
  CHECK(wrong == 0);
  CHECK(differ == 0);
}

template <class T>
std::vector<T> random_values(std::mt19937_64& random, int n) {
  std::vector<T> all;
  for (int i = 0; i < n; ++i) {
    double v = static_cast<double>(random() % 20001) - 10000;
    all.push_back(static_cast<T>(std::is_floating_point_v<T> ? v / 10000 : v));
  }
  return all;
}

void check_any(std::mt19937_64& random, int i, const Layout& l) {
  auto how = static_cast<Reduce>(i % 3);
  int dim = static_cast<int>(random() % 2);
  switch (i / 3 % 3) {
    case 0:
      return check(Elem::f32, l, dim, how, random_values<float>(random, l.elements()));
    case 1:
      return check(Elem::i32, l, dim, how, random_values<std::int32_t>(random, l.elements()));
    default:
      return check(Elem::i64, l, dim, how, random_values<std::int64_t>(random, l.elements()));
  }
}

TEST_CASE("reduce: layouts that kernels use, along either dim, over one to eight warps") {
  auto random = random_for("reduce");
  int i = 0;
  for (auto [m, n] : {std::pair{32, 64}, {64, 16}, {1, 32}, {4, 2}})
    for (int warps : {1, 4, 8}) {
      auto all = layouts_of(m, n, warps);
      for (int turn = 0; turn < 10; ++turn) check_any(random, i++, all[random() % all.size()]);
    }
}

TEST_CASE("reduce: layouts with bases mixed at random, copies counted once") {
  auto random = random_for("reduce random");
  for (int i = 0; i < 50; ++i) {
    int m = 1 << random() % 6, n = 1 << random() % 6, warps = 1 << random() % 3;
    check_any(random, i, random_layout(random, m, n, warps));
  }
}

TEST_CASE("reduce: the result broadcasts back over the tile, as in a softmax") {
  Layout l = Layout::mma_c(32, 64, {2, 2});
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, Elem::f32), l);
    Tile most = reduce(k, t, 1, Reduce::max);
    Tile e = unary(Unary::exp2, t - most);
    Tile sum = reduce(k, e, 1, Reduce::sum);
    store_every_slot(k, p.tensor(&Params::out, Elem::f32), e / sum);
  };
  auto random = random_for("softmax");
  auto in = random_values<float>(random, 32 * 64);
  auto out = run_block<float>(128, in, 32 * 64, body);
  for (int i = 0; i < 32 * 64; ++i) {
    Coords at = l.apply(i % l.registers(), i / l.registers() % 32, i / l.registers() / 32);
    double sum = 0;
    for (int c = 0; c < 64; ++c) sum += std::exp2(static_cast<double>(in[static_cast<std::size_t>(at[0] * 64 + c)]));
    double wanted = std::exp2(static_cast<double>(in[static_cast<std::size_t>(at[0] * 64 + at[1])])) / sum;
    if (!(std::abs(out[static_cast<std::size_t>(i)] - wanted) < 1e-6)) FAIL_CHECK(at[0], ", ", at[1]);
  }
}

TEST_CASE("reduce: a row inside a quad of lanes costs two shuffles, and none inside a thread") {
  auto along = [](const Layout& l, int dim) {
    return ptx_of("sm_80", 128, [&l, dim](Kernel& k, const Kernel::Parameters<Params>& p) {
      Tile t = load_matrix(k, p.tensor(&Params::in, Elem::f32), l);
      store_every_slot(k, p.tensor(&Params::out, Elem::f32), reduce(k, t, dim, Reduce::sum));
    });
  };
  std::string quad = along(Layout::mma_c(64, 32, {4, 1}), 1);
  CHECK(count(quad, "shfl.sync") == 2 * 2);  // two rows a thread
  CHECK(count(quad, "st.shared") == 0);
  must_assemble(quad, "sm_80");
  std::string thread = along(Layout::blocked({128, 8}, {1, 8}, {32, 1}, {4, 1}, {1, 0}), 1);
  CHECK(count(thread, "shfl.sync") == 0);
  std::string warps = along(Layout::blocked({4, 128}, {1, 1}, {1, 32}, {1, 4}, {1, 0}), 1);
  CHECK(count(warps, "bar.sync") == 2);
  must_assemble(warps, "sm_80");
}

}  // namespace
}  // namespace pagejit
