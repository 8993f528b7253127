// extremes() on the emulator against plain loops over every kind of number.
#include "compiler/extremes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/compiler/tile_program.h"
#include "tests/reference/numbers.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;

constexpr int rows = 16, fields = 2, columns = 32, width = fields * columns;

Layout rows_in_lanes() {
  return Layout::blocked({rows, fields, columns}, {1, fields, 8}, {8, 1, 4}, {2, 1, 1}, {2, 1, 0});
}

/// Rows of all kinds: ordinary ones, signed zeros, infinities, NaN in some, constant ones.
std::vector<double> numbers_of(Elem elem) {
  auto random = random_for("extremes");
  std::vector<double> all;
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < width; ++i) {
      double x = std::ldexp(static_cast<double>(random() % 2048) - 1024, static_cast<int>(random() % 20) - 20);
      if (r % 4 == 1) x = random() % 2 ? 0.0 : -0.0;
      if (r % 4 == 2 && random() % 16 == 0) x = random() % 2 ? HUGE_VAL : -HUGE_VAL;
      if (r % 8 == 3 && random() % 32 == 0) x = std::nan("");
      if (r % 8 == 7) x = -2.5;
      std::byte at[8];
      reference::encode(elem, x, at);
      all.push_back(reference::decode(elem, at));
    }
  return all;
}

void check(Elem elem, bool half_of_them) {
  CAPTURE(static_cast<int>(elem));
  std::vector<double> all = numbers_of(elem);
  std::vector<std::byte> in(all.size() * static_cast<std::size_t>(bytes(elem)));
  for (std::size_t i = 0; i < all.size(); ++i)
    reference::encode(elem, all[i], &in[i * static_cast<std::size_t>(bytes(elem))]);
  Layout l = rows_in_lanes();
  int slots = l.registers() * 64;
  auto out = run_block<float>(64, in, static_cast<std::size_t>(2 * slots), [&](Kernel& k, const auto& p) {
    Tile at = k.arange(l, 0) * width + k.arange(l, 1) * columns + k.arange(l, 2);
    Tile x = k.load(p.tensor(&Params::in, elem, 16) + at, "x");
    Extremes e = extremes(k, x, half_of_them ? k.arange(l, 2) < columns / 2 : Tile());
    Pointer to = p.tensor(&Params::out, Elem::f32, 16);
    store_every_slot(k, to, e.least);
    store_every_slot(k, to + k.constant(Type::i32, slots), e.most);
  });
  int wrong = 0;
  for (int i = 0; i < slots; ++i) {
    int item = l.apply(i % l.registers(), i / l.registers() % 32, i / l.registers() / 32)[0];
    double least = HUGE_VAL, most = -HUGE_VAL;
    bool has_nan = false;
    for (int j = 0; j < width; ++j) {
      double x = all[static_cast<std::size_t>(item * width + j)];
      if (half_of_them && j % columns >= columns / 2) continue;
      has_nan |= std::isnan(x), least = std::min(least, x), most = std::max(most, x);
    }
    float got_least = out[static_cast<std::size_t>(i)], got_most = out[static_cast<std::size_t>(slots + i)];
    wrong += has_nan ? !std::isnan(got_most) : got_least != least || got_most != most;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("extremes: the least and the largest of every row, and NaN where it has one") {
  for (Elem elem : {Elem::f16, Elem::bf16, Elem::f32}) check(elem, false);
}

TEST_CASE("extremes: elements that do not exist count for nothing") {
  for (Elem elem : {Elem::bf16, Elem::f32}) check(elem, true);
}

TEST_CASE("extremes: numbers of 16 bits are compared in pairs, and one shuffle a lane's bit carries both") {
  std::string ptx = ptx_of("sm_90a", 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Layout l = rows_in_lanes();
    Tile at = k.arange(l, 0) * width + k.arange(l, 1) * columns + k.arange(l, 2);
    Tile x = k.load(p.tensor(&Params::in, Elem::bf16, 16) + at, "x");
    Extremes e = extremes(k, x, Tile());
    store_every_slot(k, p.tensor(&Params::out, Elem::f32, 16), e.most - e.least);
  });
  must_assemble(ptx, "sm_90a");
  CHECK(count(ptx, "shfl.") == 2);
  CHECK(count(ptx, "max.NaN.bf16x2") == 7 + 1 + 2);
  CHECK(count(ptx, "min.NaN.bf16x2") == 7);
}

}  // namespace pagejit
