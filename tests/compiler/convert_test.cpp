// convert() on the emulator: every register of every thread holds the element that its layout says.
#include "compiler/convert.h"

#include <doctest/doctest.h>

#include "compiler/conversion.h"
#include "tests/compiler/some_layouts.h"
#include "tests/compiler/tile_program.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;

/// The element's number, made so that any slip of bytes shows.
template <class T>
std::vector<T> numbered(int n) {
  std::vector<T> all;
  for (int i = 0; i < n; ++i)
    all.push_back(static_cast<T>(static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ull >> (64 - 8 * sizeof(T))));
  return all;
}

template <class T>
void check(Elem elem, const Layout& from, const Layout& to) {
  CAPTURE(from.text());
  CAPTURE(to.text());
  auto in = numbered<T>(from.elements());
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, elem), from);
    t = convert(k, t, to);
    store_every_slot(k, p.tensor(&Params::out, elem), t);
  };
  int slots = to.registers() * 32 * to.warps();
  auto out = run_block<T>(32 * to.warps(), in, static_cast<std::size_t>(slots), body);
  int wrong = 0;
  for (int i = 0; i < slots; ++i) {
    Coords at = to.apply(i % to.registers(), i / to.registers() % 32, i / to.registers() / 32);
    wrong += out[static_cast<std::size_t>(i)] != in[to.flat(at)];
  }
  CHECK(wrong == 0);
}

void check_elem(int which, const Layout& from, const Layout& to) {
  switch (which % 5) {
    case 0:
      return check<std::uint8_t>(Elem::u8, from, to);
    case 1:
      return check<std::uint16_t>(which % 2 ? Elem::f16 : Elem::bf16, from, to);
    case 2:
      return check<std::uint32_t>(Elem::f32, from, to);
    case 3:
      return check<std::uint32_t>(Elem::i32, from, to);
    default:
      return check<std::uint64_t>(Elem::i64, from, to);
  }
}

TEST_CASE("convert: pairs of layouts that kernels use, of every element type and one to eight warps") {
  auto random = random_for("convert pairs");
  for (auto [m, n] : {std::pair{32, 64}, {64, 16}, {64, 1}, {2, 4}})
    for (int warps : {1, 4, 8}) {
      auto all = layouts_of(m, n, warps);
      for (int i = 0; i < 12; ++i) check_elem(i, all[random() % all.size()], all[random() % all.size()]);
    }
}

TEST_CASE("convert: layouts with bases mixed at random") {
  auto random = random_for("convert random");
  for (int i = 0; i < 60; ++i) {
    int m = 1 << random() % 6, n = 1 << random() % 6, warps = 1 << random() % 3;
    Layout from = random_layout(random, m, n, warps);
    check_elem(i, from, random_layout(random, m, n, warps));
  }
}

TEST_CASE("convert: a condition keeps its truth, and one value spreads over a layout") {
  Layout from = Layout::blocked({32, 32}, {1, 4}, {4, 8}, {2, 1}, {1, 0}), to = Layout::mma_c(32, 32, {1, 2});
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile row = k.arange(from, 0), column = k.arange(from, 1);
    Tile below = convert(k, row < column, to);
    Tile seven = convert(k, k.constant(Type::i32, 7), to);
    store_every_slot(k, p.tensor(&Params::out, Elem::i32), select(below, seven, seven * 0));
  };
  auto out = run_block<int>(64, std::vector<int>{0}, 1024, body);
  for (int i = 0; i < 1024; ++i) {
    Coords at = to.apply(i % to.registers(), i / to.registers() % 32, i / to.registers() / 32);
    if (out[static_cast<std::size_t>(i)] != (at[0] < at[1] ? 7 : 0)) FAIL_CHECK(at[0], ", ", at[1]);
  }
}

TEST_CASE("convert: a conversion in a loop waits until its buffer has been read") {
  Layout from = Layout::blocked({64, 8}, {1, 8}, {32, 1}, {2, 1}, {1, 0});
  Layout to = Layout::blocked({64, 8}, {8, 1}, {8, 4}, {1, 2}, {0, 1});
  REQUIRE(plan_conversion(from, to, 4).kind == Conversion::Kind::shared);
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, Elem::i32), from), none = convert(k, k.constant(Type::i32, 0), to);
    Value first = k.constant(Type::i32, 0), last = k.constant(Type::i32, 4), one = k.constant(Type::i32, 1);
    auto sums = k.loop(first, last, one, {none},
                       [&](Value i, std::vector<Tile>& sum) { sum[0] = sum[0] + convert(k, t + i, to); });
    store_every_slot(k, p.tensor(&Params::out, Elem::i32), sums[0]);
  };
  std::vector<int> in(512);
  for (int i = 0; i < 512; ++i) in[static_cast<std::size_t>(i)] = i;
  auto out = run_block<int>(64, in, 512, body);
  for (int i = 0; i < 512; ++i) {
    Coords at = to.apply(i % 8, i / 8 % 32, i / 256);
    if (out[static_cast<std::size_t>(i)] != 4 * (8 * at[0] + at[1]) + 6) FAIL_CHECK(i);
  }
}

TEST_CASE("convert: a change of layout inside a warp has shuffles in its PTX, and no shared memory") {
  Layout from = Layout::blocked({32, 32}, {1, 8}, {8, 4}, {4, 1}, {1, 0}),
         to = Layout::blocked({32, 32}, {1, 2}, {8, 4}, {4, 1}, {1, 0});
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, Elem::f32, 16), from);
    store_every_slot(k, p.tensor(&Params::out, Elem::f32, 16), convert(k, t, to));
  };
  std::string ptx = ptx_of("sm_80", 128, body);
  check_ptx(ptx, R"(
    CHECK: shfl.sync
    CHECK-NOT: bar.sync
    CHECK-NOT: st.shared
  )");
  CHECK(count(ptx, "shfl.sync") == 6);  // two of a thread's eight elements stay
  must_assemble(ptx, "sm_80");
}

TEST_CASE("convert: what crosses warps is stored and loaded in 16-byte vectors") {
  Layout from = Layout::blocked({64, 64}, {1, 8}, {4, 8}, {4, 1}, {1, 0}),
         to = Layout::blocked({64, 64}, {1, 8}, {16, 2}, {1, 4}, {1, 0});
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, Elem::bf16, 16), from);
    store_every_slot(k, p.tensor(&Params::out, Elem::bf16, 16), convert(k, t, to));
  };
  std::string ptx = ptx_of("sm_90a", 128, body);
  CHECK(count(ptx, "st.shared.v4.b32") == 4);
  CHECK(count(ptx, "ld.shared.v4.b32") == 4);
  CHECK(count(ptx, "st.shared") == 4);
  must_assemble(ptx, "sm_90a");
}

}  // namespace
}  // namespace pagejit
