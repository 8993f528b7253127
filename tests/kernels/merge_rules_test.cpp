// The rules of merging, one by one, on the emulator.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "tests/kernels/emulated.h"
#include "tests/kernels/merge_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

std::string emulate_merge(const MergeCase& c) {
  return run_merge(emulated().context(), c, emulated().poison());
}

/// A row of two heads, by hand: what comes out of it.
struct Merged {
  float out[2][4], lse[2];
};
Merged merge_by_hand(const float (&prefix)[2][4], const float (&suffix)[2][4], const float (&prefix_lse)[2],
                     const float (&suffix_lse)[2]) {
  Context& context = emulated().context();
  auto upload = [&](const auto& values, const char* label) {
    auto bytes = reinterpret_cast<const std::byte*>(&values);
    return DeviceBuffer(context, Image(bytes, bytes + sizeof(values)), label);
  };
  Merged r{};
  DeviceBuffer p = upload(prefix, "prefix"), s = upload(suffix, "suffix"), out = upload(r.out, "out");
  DeviceBuffer pl = upload(prefix_lse, "prefix_lse"), sl = upload(suffix_lse, "suffix_lse"), l = upload(r.lse, "lse");
  MergeArgs a;
  a.prefix_out = Tensor(p.data(), Elem::f32, {1, 2, 4}), a.suffix_out = Tensor(s.data(), Elem::f32, {1, 2, 4});
  a.out = Tensor(out.data(), Elem::f32, {1, 2, 4});
  a.prefix_lse = Tensor(pl.data(), Elem::f32, {1, 2}), a.suffix_lse = Tensor(sl.data(), Elem::f32, {1, 2});
  a.out_lse = Tensor(l.data(), Elem::f32, {1, 2});
  context.merge_attn_states(a);
  context.synchronise();
  Image rows = out.read(), numbers = l.read();
  std::memcpy(r.out, rows.data(), rows.size());
  std::memcpy(r.lse, numbers.data(), numbers.size());
  return r;
}

constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("merge: equal logs give the mean, and a log that is ln 3 greater gives three quarters") {
  Merged m = merge_by_hand({{1, 2, 3, 4}, {0, 0, 0, 0}}, {{3, 4, 5, 6}, {4, 8, 12, 16}}, {5, 0}, {5, 1.0986123f});
  for (int d = 0; d < 4; ++d) {
    CHECK(m.out[0][d] == doctest::Approx(2 + d));
    CHECK(m.out[1][d] == doctest::Approx(3 + 3 * d));
  }
  CHECK(m.lse[0] == doctest::Approx(5.6931472));
  CHECK(m.lse[1] == doctest::Approx(1.3862944));
}

TEST_CASE("merge: a side with an infinite log counts nothing, whatever its sign, and its NaN does not show") {
  Merged m = merge_by_hand({{nan, nan, nan, nan}, {1, 2, 3, 4}}, {{3, 4, 5, 6}, {nan, infinity, nan, nan}},
                           {infinity, -7}, {2, -infinity});
  for (int d = 0; d < 4; ++d) {
    CHECK(m.out[0][d] == static_cast<float>(3 + d));
    CHECK(m.out[1][d] == static_cast<float>(1 + d));
  }
  CHECK(m.lse[0] == 2);
  CHECK(m.lse[1] == -7);
}

TEST_CASE("merge: where neither side saw a key there are zeros and minus infinity") {
  Merged m = merge_by_hand({{nan, nan, nan, nan}, {nan, nan, nan, nan}}, {{nan, nan, nan, nan}, {nan, nan, nan, nan}},
                           {infinity, -infinity}, {infinity, infinity});
  for (int h = 0; h < 2; ++h) {
    for (int d = 0; d < 4; ++d) CHECK(m.out[h][d] == 0);
    CHECK(m.lse[h] == -infinity);
  }
}

TEST_CASE("merge: a side whose weight is nothing beside the other's is left out, NaN and all") {
  Merged m = merge_by_hand({{nan, infinity, nan, nan}, {1, 2, 3, 4}}, {{3, 4, 5, 6}, {nan, nan, nan, nan}}, {-500, 300},
                           {0, 0});
  for (int d = 0; d < 4; ++d) {
    CHECK(m.out[0][d] == static_cast<float>(3 + d));
    CHECK(m.out[1][d] == static_cast<float>(1 + d));
  }
  CHECK(m.lse[1] == 300);
}

TEST_CASE("merge: tokens without context take the suffix bit for bit, and their prefix is not read") {
  for (std::int64_t context : {0, 1, 5, 12, 13, 99})
    for (bool on_device : {false, true})
      CHECK(emulate_merge({.tokens = 13, .context = context, .on_device = on_device}) == "");
}

TEST_CASE("merge: fp8 codes are multiplied by one over the scale, and saturate") {
  for (Elem to : {Elem::e4m3, Elem::e5m2})
    for (float scale : {0.f, 1.f, 0.37f, 1e-6f, 3000.f})
      for (std::int64_t context : {-1, 3}) CHECK(emulate_merge({.to = to, .scale = scale, .context = context}) == "");
}

TEST_CASE("merge: packed and strided, aligned and not, the results are the same bits") {
  for (Elem in : {Elem::bf16, Elem::f16, Elem::f32}) {
    std::vector<Image> all;
    for (int gap : {0, 48})
      for (int shift : {0, 8, 4, 2, 1})
        for (LseAxes axes : {LseAxes::tokens_heads, LseAxes::heads_tokens}) {
          MergeCase c{
              .in = in, .to = in, .tokens = 20, .heads = 5, .dim = 80, .axes = axes, .gap = gap, .shift = shift};
          MergeRun run(emulated().context(), c, emulated().poison());
          REQUIRE(run.check() == "");
          all.push_back(run.results());
        }
    for (const Image& one : all) CHECK((one == all[0]));
  }
}

TEST_CASE("merge: out may lie over one of the inputs") {
  for (auto into : {MergeCase::Into::prefix, MergeCase::Into::suffix})
    CHECK(emulate_merge({.tokens = 50, .dim = 192, .context = 40, .into = into, .shift = 1}) == "");
}

TEST_CASE("merge: without a token or a head nothing is launched") {
  std::uint64_t before = emulated().context().statistics().launches;
  CHECK(emulate_merge({.tokens = 0}) == "");
  CHECK(emulate_merge({.heads = 0}) == "");
  CHECK(emulated().context().statistics().launches == before);
}

TEST_CASE("merge: a thousand random calls of one type compile one kernel, whatever their tokens, heads and context") {
  Context& context = emulated().context();
  auto random = random_for("merge: one compile");
  auto call = [&] {
    auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
    MergeCase c{.tokens = 1 + below(9), .heads = 1 + below(9), .dim = 64, .lse = random() % 2 == 0};
    c.context = below(12) - 1, c.on_device = c.context >= 0 && random() % 2 == 0, c.gap = random() % 2 ? 16 : 0;
    c.axes = random() % 2 ? LseAxes::heads_tokens : LseAxes::tokens_heads, c.seed = random();
    CHECK(emulate_merge(c) == "");
  };
  call();
  std::uint64_t before = context.statistics().compiles;
  for (int i = 0; i < 1000; ++i) call();
  CHECK(context.statistics().compiles == before);
}

TEST_CASE("merge: a sample of all Specs, strides and contexts is right, and reads nothing it may not") {
  MergeGrid grid;
  grid.cases = 150;
  grid.seed = test_seed();
  CAPTURE(grid.seed);
  for (const std::string& problem : run_merge_grid(emulated().context(), grid, emulated().poison()))
    FAIL_CHECK(problem);
}

}  // namespace pagejit::tests
