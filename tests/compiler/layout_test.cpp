// Layouts against plain formulas, over every register of every lane of every warp.
#include "compiler/layout.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "runtime/base/error.h"

namespace pagejit {
namespace {

template <class F>
void each_slot(const Layout& l, F f) {
  for (int w = 0; w < l.warps(); ++w)
    for (int lane = 0; lane < 32; ++lane)
      for (int r = 0; r < l.registers(); ++r) f(Slot{r, lane, w}, l.apply(r, lane, w));
}

std::vector<Layout> many_layouts() {
  std::vector<Layout> all;
  for (int elements : {1, 2, 16, 32, 64, 256, 2048})
    for (int vec : {1, 4, 8})
      for (int warps : {1, 4}) all.push_back(Layout::linear(elements, vec, warps));
  for (auto [m, n] : {std::pair{1, 1}, {4, 16}, {16, 16}, {64, 32}, {8, 128}})
    for (auto [lm, ln] : {std::pair{32, 1}, {8, 4}, {1, 32}})
      for (int vec : {1, 4})
        for (auto order : {std::vector{1, 0}, {0, 1}})
          all.push_back(Layout::blocked({m, n}, {1, vec}, {lm, ln}, {2, 2}, order));
  for (auto [wm, wn] : {std::pair{1, 1}, {2, 2}, {4, 1}, {1, 4}}) {
    all.push_back(Layout::mma_a(64, 32, {wm, wn}));
    all.push_back(Layout::mma_b(32, 64, {wm, wn}));
    all.push_back(Layout::mma_c(64, 64, {wm, wn}));
  }
  for (std::size_t i = 0, n = all.size(); i < n; ++i) all.push_back(all[i].slice(all[i].rank() - 1));
  return all;
}

TEST_CASE("layout: a linear layout gives each thread its vector, then lanes, warps and registers") {
  Layout l = Layout::linear(4096, 8, 4);
  CHECK(l.registers() == 32);
  CHECK(l.contiguous(0) == 8);
  each_slot(l, [&](Slot s, Coords at) { CHECK(at[0] == s.reg % 8 + 8 * s.lane + 256 * s.warp + 1024 * (s.reg / 8)); });
}

TEST_CASE("layout: a blocked layout fills its fastest dim first and repeats over registers") {
  Layout l = Layout::blocked({64, 128}, {1, 8}, {4, 8}, {4, 1}, {1, 0});
  CHECK(l.registers() == 64);
  each_slot(l, [&](Slot s, Coords at) {
    int across = s.reg / 8 % 2, down = s.reg / 16;
    CHECK(at[1] == s.reg % 8 + 8 * (s.lane % 8) + 64 * across);
    CHECK(at[0] == s.lane / 8 + 4 * s.warp + 16 * down);
  });
}

TEST_CASE("layout: lanes and warps that find no element of their own hold copies") {
  Layout l = Layout::linear(16, 4, 4);
  CHECK(l.registers() == 4);
  CHECK(l.surjective());
  CHECK_FALSE(l.injective());
  CHECK(l.free_bits() == Slot{0, 28, 3});
  each_slot(l, [&](Slot s, Coords at) { CHECK(at[0] == s.reg + 4 * (s.lane % 4)); });
  CHECK(Layout::linear(2, 8, 1).registers() == 2);  // no register holds a copy
}

// PTX ISA, matrix fragments for mma.m16n8k16 with .f16 and .bf16, written as it writes them.
TEST_CASE("layout: the fragments of mma.m16n8k16 are those of the PTX ISA") {
  Layout a = Layout::mma_a(16, 16, {1, 1}), b = Layout::mma_b(16, 8, {1, 1}), c = Layout::mma_c(16, 8, {1, 1});
  CHECK(a.registers() == 8);
  CHECK(b.registers() == 4);
  CHECK(c.registers() == 4);
  each_slot(a, [&](Slot s, Coords at) {
    int group = s.lane >> 2, in_group = s.lane % 4, i = s.reg;
    int row = (i < 2) || (i >= 4 && i < 6) ? group : group + 8;
    int col = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
    CHECK(at == Coords{row, col});
  });
  each_slot(b, [&](Slot s, Coords at) {
    int group = s.lane >> 2, in_group = s.lane % 4, i = s.reg;
    int row = i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
    CHECK(at == Coords{row, group});
  });
  each_slot(c, [&](Slot s, Coords at) {
    int group = s.lane >> 2, in_group = s.lane % 4, i = s.reg;
    CHECK(at == Coords{i < 2 ? group : group + 8, in_group * 2 + (i & 1)});
  });
}

TEST_CASE("layout: mma fragments tile a larger tile, with warps along m and n and copies across") {
  std::array<int, 2> warps{2, 4};
  Layout a = Layout::mma_a(64, 32, warps), b = Layout::mma_b(32, 64, warps), c = Layout::mma_c(64, 64, warps);
  CHECK(a.registers() == 8 * 2 * 2);
  CHECK(b.registers() == 4 * 2 * 2);
  CHECK(c.registers() == 4 * 2 * 2);
  CHECK(a.free_bits() == Slot{0, 0, 6});
  CHECK(b.free_bits() == Slot{0, 0, 1});
  CHECK(c.injective());
  Layout a1 = Layout::mma_a(16, 16, {1, 1}), b1 = Layout::mma_b(16, 8, {1, 1}), c1 = Layout::mma_c(16, 8, {1, 1});
  each_slot(a, [&](Slot s, Coords at) {
    Coords in = a1.apply(s.reg % 8, s.lane, 0);
    CHECK(at == Coords{in[0] + 16 * (s.warp % 2) + 32 * (s.reg / 16), in[1] + 16 * (s.reg / 8 % 2)});
  });
  each_slot(b, [&](Slot s, Coords at) {
    Coords in = b1.apply(s.reg % 4, s.lane, 0);
    CHECK(at == Coords{in[0] + 16 * (s.reg / 4 % 2), in[1] + 8 * (s.warp / 2) + 32 * (s.reg / 8)});
  });
  each_slot(c, [&](Slot s, Coords at) {
    Coords in = c1.apply(s.reg % 4, s.lane, 0);
    CHECK(at == Coords{in[0] + 16 * (s.warp % 2) + 32 * (s.reg / 8), in[1] + 8 * (s.warp / 2) + 32 * (s.reg / 4 % 2)});
  });
}

TEST_CASE("layout: every element is held, and once by the slots whose free bits are 0") {
  for (const Layout& l : many_layouts()) {
    CAPTURE(l.text());
    Slot free = l.free_bits();
    std::map<Coords, int> once, ever;
    each_slot(l, [&](Slot s, Coords at) {
      ++ever[at];
      if ((s.reg & free.reg) == 0 && (s.lane & free.lane) == 0 && (s.warp & free.warp) == 0) ++once[at];
    });
    bool each_once = true;
    for (auto [at, n] : once) each_once &= n == 1;
    CHECK(each_once);
    CHECK(static_cast<int>(ever.size()) == l.elements());
    CHECK(once.size() == ever.size());
    CHECK(l.surjective());
    CHECK(l.injective() == (ever.begin()->second == 1));
  }
}

TEST_CASE("layout: solve finds a slot that holds the element") {
  for (const Layout& l : many_layouts())
    each_slot(l, [&](Slot, Coords at) {
      auto who = l.solve(at);
      if (!who || l.apply(*who) != at) FAIL_CHECK(l.text());
    });
  Layout half = Layout::of({64}, {}, std::vector<Coords>(5), {});
  CHECK_FALSE(half.surjective());
  CHECK_FALSE(half.solve({1}).has_value());
  CHECK(half.solve({0}).has_value());
}

TEST_CASE("layout: a slice keeps who holds which row, and drops the sliced dim") {
  Layout c = Layout::mma_c(64, 32, {2, 2}), rows = c.slice(1);
  CHECK(rows.registers() == c.registers());
  CHECK(rows.shape()[1] == 1);
  each_slot(c, [&](Slot s, Coords at) { CHECK(rows.apply(s) == Coords{at[0], 0}); });
  CHECK(c.slice(0).slice(1) == c.slice(1).slice(0));
  CHECK_FALSE(rows == c);
}

TEST_CASE("layout: flat is the row-major place, and unflat its inverse") {
  Layout l = Layout::blocked({4, 16, 8}, {1, 1, 4}, {2, 8, 2}, {1, 1, 1}, {2, 1, 0});
  each_slot(l, [&](Slot, Coords at) {
    CHECK(l.flat(at) == static_cast<std::uint64_t>((at[0] * 16 + at[1]) * 8 + at[2]));
    CHECK(l.unflat(l.flat(at)) == at);
  });
}

TEST_CASE("layout: register bits and dims can be put into another order") {
  Layout l = Layout::blocked({16, 64}, {2, 4}, {4, 8}, {2, 2}, {1, 0});
  REQUIRE(l.registers() == 8);
  Layout moved = l.with_register_bits(std::vector<int>{2, 0, 1});
  CHECK(moved.reg_basis(0) == l.reg_basis(2));
  CHECK(moved.apply(1, 5, 3) == l.apply(4, 5, 3));
  Layout flipped = l.permuted(std::vector<int>{1, 0});
  CHECK(flipped.shape()[0] == 64);
  each_slot(l, [&](Slot s, Coords at) { CHECK(flipped.apply(s) == Coords{at[1], at[0]}); });
}

TEST_CASE("layout: a description that is not one of powers of two is refused, in words") {
  CHECK_THROWS_WITH_AS(Layout::linear(48, 1, 1), doctest::Contains("[48]; expected 1 powers of two"), Error);
  CHECK_THROWS_WITH_AS(Layout::blocked({16, 16}, {1, 1}, {4, 4}, {1, 1}, {0, 1}),
                       doctest::Contains("product must be 32"), Error);
  CHECK_THROWS_WITH_AS(Layout::blocked({16, 16}, {1, 1}, {4, 8}, {1, 1}, {0, 0}),
                       doctest::Contains("each of 2 dims once"), Error);
  CHECK_THROWS_WITH_AS(Layout::mma_a(16, 16, {2, 1}), doctest::Contains("m = 16; expected a power of two, at least 32"),
                       Error);
}

}  // namespace
}  // namespace pagejit
