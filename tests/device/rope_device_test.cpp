// rope on a GPU: the same grid as on the emulator, larger; captured launches, early launches, alignment classes.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/rope_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

RopeCase gqa(std::int64_t tokens) {
  RopeCase c;
  c.query_heads = 64, c.kv_heads = 8, c.rope_dim = c.nope_dim = 64, c.dim_v = 128;
  c.tokens = tokens;
  return c;
}

RopeCase mla(std::int64_t tokens) {
  RopeCase c;
  c.call = RopeCase::Call::append_mla;
  c.query_heads = 128, c.kv_heads = 1, c.rope_dim = 64, c.nope_dim = 512, c.dim_v = 0, c.page = 64;
  c.tokens = tokens;
  return c;
}

}  // namespace

TEST_CASE("rope on a GPU: a sample of all Specs, strides and lists is right to the bit") {
  if (gpu() == nullptr) return;
  RopeGrid grid;
  grid.cases = 500;
  grid.seed = test_seed() + 1;
  grid.elements = 400'000;
  for (const std::string& problem : run_rope_grid(*gpu(), grid)) FAIL_CHECK(problem);
}

TEST_CASE("rope on a GPU: many tokens of large models, both styles, with padding among them") {
  if (gpu() == nullptr) return;
  auto random = random_for("rope many tokens");
  for (auto style : {rope::Style::neox, rope::Style::interleaved})
    for (RopeCase c : {gqa(899), gqa(2047), mla(333)}) {
      c.style = style, c.seed = random();
      for (std::int64_t t = 0; t < c.tokens; ++t)
        if (random() % 8 == 0) c.padded.push_back(t);
      CHECK(run_rope(*gpu(), c) == "");
    }
}

TEST_CASE("rope on a GPU: a layer's view and every alignment get the bytes of the packed cache") {
  if (gpu() == nullptr) return;
  for (const RopeCase& shape : {gqa(100), mla(50)}) {
    std::vector<Image> rows;
    for (int layers : {1, 3})
      for (int shift : {0, 8, 4, 2, 1}) {
        RopeCase c = shape;
        c.layers = layers, c.shift = shift;
        RopeRun run(*gpu(), c);
        REQUIRE(run.check() == "");
        rows.push_back(run.rows());
      }
    for (const Image& r : rows) CHECK((r == rows[0]));
  }
}

TEST_CASE("rope on a GPU: a captured launch replays with the tokens, places and padding of the moment") {
  if (gpu() == nullptr) return;
  for (RopeCase c : {gqa(64), mla(64)}) {
    cuda::OwnStream stream(device_of(*gpu()));
    c.valid = 64, c.scales_in_memory = true;
    RopeRun first(*gpu(), c);
    first.prepare();
    cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { first.launch(stream.get()); });
    for (std::uint64_t seed : {11, 12, 13}) {
      RopeCase other = c;
      other.seed = seed, other.valid = static_cast<std::int64_t>(5 * seed), other.padded = {1, 2, 40};
      first.take_inputs(RopeRun(*gpu(), other));
      first.reset_outputs();
      replay.launch(stream.get());
      gpu()->synchronise(stream.get());
      CHECK(first.compare() == "");
    }
  }
}

TEST_CASE("rope on a GPU: launches back to back, each of which may start early, settled or not") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  std::vector<std::unique_ptr<RopeRun>> runs;
  for (std::uint64_t i = 0; i < 6; ++i) {
    RopeCase c = i % 2 ? mla(3 + static_cast<std::int64_t>(i)) : gqa(20);
    c.seed = i, c.settled = i % 3 == 0, c.shift = i == 5 ? 1 : 0;
    runs.push_back(std::make_unique<RopeRun>(*gpu(), c));
    runs.back()->prepare();
    runs.back()->reset_outputs();
  }
  for (int round = 0; round < 50; ++round)
    for (auto& run : runs) run->launch(stream.get());
  gpu()->synchronise(stream.get());
  for (auto& run : runs) CHECK(run->compare() == "");
}

}  // namespace pagejit::tests
