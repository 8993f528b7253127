// Branches that change values, on the emulator.
#include <doctest/doctest.h>

#include "compiler/convert.h"
#include "tests/compiler/tile_program.h"

namespace pagejit {
namespace {

using namespace test;

const Layout rows = Layout::blocked({64, 8}, {1, 8}, {32, 1}, {2, 1}, {1, 0});

std::vector<int> count_up(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}

TEST_CASE("control: values that a branch changes are as they were for threads that do not take it") {
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = load_matrix(k, p.tensor(&Params::in, Elem::i32), rows);
    auto now = k.when(k.thread() >= 40, {t, k.constant(Type::i32, 1)}, [](std::vector<Tile>& values) {
      values[0] = values[0] * 3;
      values[1] = values[1] + 6;
    });
    store_every_slot(k, p.tensor(&Params::out, Elem::i32), now[0] + now[1]);
  };
  auto out = run_block<int>(64, count_up(512), 512, body);
  for (int i = 0; i < 512; ++i)
    if (out[static_cast<std::size_t>(i)] != (i / 8 >= 40 ? 3 * i + 7 : i + 1)) FAIL_CHECK(i);
}

TEST_CASE("control: a conversion whose turns a barrier keeps apart has a barrier less, and is right") {
  Layout to = Layout::blocked({64, 8}, {8, 1}, {8, 4}, {1, 2}, {0, 1});
  auto with = [&](bool ordered) {
    return [&, ordered](Kernel& k, const Kernel::Parameters<Params>& p) {
      Tile t = load_matrix(k, p.tensor(&Params::in, Elem::i32), rows), none = convert(k, k.constant(Type::i32, 0), to);
      Value first = k.constant(Type::i32, 0), last = k.constant(Type::i32, 4), one = k.constant(Type::i32, 1);
      auto sums = k.loop(first, last, one, {none}, [&](Value i, std::vector<Tile>& sum) {
        k.barrier();
        sum[0] = sum[0] + convert(k, t + i, to, ordered);
      });
      store_every_slot(k, p.tensor(&Params::out, Elem::i32), sums[0]);
    };
  };
  auto out = run_block<int>(64, count_up(512), 512, with(true));
  for (int i = 0; i < 512; ++i) {
    Coords at = to.apply(i % 8, i / 8 % 32, i / 256);
    if (out[static_cast<std::size_t>(i)] != 4 * (8 * at[0] + at[1]) + 6) FAIL_CHECK(i);
  }
  CHECK(count(ptx_of("sm_80", 64, with(false)), "bar.sync") - count(ptx_of("sm_80", 64, with(true)), "bar.sync") == 1);
}

}  // namespace
}  // namespace pagejit
