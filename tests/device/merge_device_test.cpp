// merge on a GPU: the same grid as on the emulator, larger; captured launches, early launches, many rows.
#include <doctest/doctest.h>

#include <memory>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/merge_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("merge on a GPU: a sample of all Specs, strides and contexts is right") {
  if (gpu() == nullptr) return;
  MergeGrid grid;
  grid.cases = 500;
  grid.seed = test_seed() + 1;
  grid.elements = 2'000'000;
  for (const std::string& problem : run_merge_grid(*gpu(), grid)) FAIL_CHECK(problem);
}

TEST_CASE("merge on a GPU: every token count of the original's tests") {
  if (gpu() == nullptr) return;
  auto random = random_for("merge token counts");
  for (std::int64_t tokens : {256, 512, 613, 1024, 1536, 4096})
    for (Elem in : {Elem::f32, Elem::f16, Elem::bf16})
      for (std::int64_t context : {-1, 128}) {
        MergeCase c{.in = in, .to = in, .tokens = tokens, .heads = 8, .dim = 128, .context = context};
        c.axes = LseAxes::heads_tokens, c.seed = random();
        CHECK(run_merge(*gpu(), c) == "");
      }
}

TEST_CASE("merge on a GPU: strides, alignments and the order of lse's axes do not change a bit") {
  if (gpu() == nullptr) return;
  std::vector<Image> all;
  for (int gap : {0, 48})
    for (int shift : {0, 8, 4, 2, 1})
      for (LseAxes axes : {LseAxes::tokens_heads, LseAxes::heads_tokens}) {
        MergeRun run(*gpu(), {.tokens = 100, .heads = 7, .dim = 128, .axes = axes, .gap = gap, .shift = shift});
        REQUIRE(run.check() == "");
        all.push_back(run.results());
      }
  for (const Image& one : all) CHECK((one == all[0]));
}

TEST_CASE("merge on a GPU: a captured launch replays with as many tokens with context as there then are") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  MergeRun run(*gpu(), {.tokens = 64, .heads = 8, .dim = 128, .context = 64, .on_device = true});
  run.prepare();
  cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { run.launch(stream.get()); });
  for (std::int64_t context : {64, 0, 17, 63, 1000}) {
    run.set_context(context);
    run.reset();
    replay.launch(stream.get());
    gpu()->synchronise(stream.get());
    CHECK(run.compare() == "");
  }
}

TEST_CASE("merge on a GPU: launches back to back, each of which may start early") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  std::vector<std::unique_ptr<MergeRun>> runs;
  for (std::uint64_t i = 0; i < 6; ++i) {
    MergeCase c{.tokens = 30 + static_cast<std::int64_t>(i), .heads = 5, .dim = 128, .gap = 16, .seed = i};
    if (i == 5) c.shift = 1;
    runs.push_back(std::make_unique<MergeRun>(*gpu(), c));
    runs.back()->prepare();
    runs.back()->reset();
  }
  for (int round = 0; round < 50; ++round)
    for (auto& run : runs) run->launch(stream.get());
  gpu()->synchronise(stream.get());
  for (auto& run : runs) CHECK(run->compare() == "");
}

}  // namespace pagejit::tests
