// Attention on a GPU: the same grid as on the emulator, larger; long sequences, captured launches, early launches.
#include <doctest/doctest.h>

#include <memory>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/attend_grid.h"
#include "tests/kernels/images.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("attention on a GPU: a sample of all Specs, lengths, strides and variants is right") {
  if (gpu() == nullptr) return;
  AttendGrid grid;
  grid.cases = 100;  // each is a kernel of its own, and the driver takes a second to assemble it
  grid.seed = test_seed() + 1;
  grid.longest = 4000, grid.work = 30'000'000;
  CAPTURE(grid.seed);
  for (const std::string& problem : run_attend_grid(*gpu(), grid)) FAIL_CHECK(problem);
}

TEST_CASE("attention on a GPU: one sequence of 100,000 keys beside short ones") {
  if (gpu() == nullptr) return;
  for (int shift : {0, 1}) {
    AttendCase c{.heads = 4, .kv_heads = 1, .dim_k = 128, .dim_v = 128, .page = 61, .lengths = {3, 100'000, 0, 700}};
    c.shift = shift, c.seed = 5;
    CHECK(run_attend(*gpu(), c) == "");
  }
}

TEST_CASE(
    "attention on a GPU: codes of every format come to what their decoded values would, of few rows and of many") {
  if (gpu() == nullptr) return;
  for (Quant quant : {Quant::int4, Quant::int8, Quant::fp8})
    for (std::int64_t group : {4, 16}) {
      AttendCase c{.quant = quant, .heads = 2 * group, .kv_heads = 2, .dim_k = 128, .dim_v = 128, .page = 64};
      c.lengths = {3000, 0, 65, 700}, c.elem = group == 4 ? Elem::bf16 : Elem::f16, c.seed = 7;
      CAPTURE(c.text());
      CHECK(run_attend(*gpu(), c) == "");
    }
}

TEST_CASE("attention on a GPU: packed, at any alignment and as one layer of several, the results are the same bits") {
  if (gpu() == nullptr) return;
  for (AttendCase c :
       {AttendCase{.heads = 32, .kv_heads = 8, .dim_k = 128, .dim_v = 128, .lengths = {1000, 33, 4097}},
        AttendCase{
            .heads = 16, .kv_heads = 1, .dim_k = 576, .dim_v = 512, .page = 64, .joint = true, .lengths = {700, 900}},
        AttendCase{.heads = 128,
        .kv_heads = 1,
        .dim_k = 576,
        .dim_v = 512,
        .page = 64,
        .joint = true,
        .lengths = {700, 900, 31}}}) {
    std::vector<Image> all;
    for (int layers : {1, 3})
      for (int shift : {0, 8, 4, 2, 1}) {
        c.layers = layers, c.shift = shift;
        AttendRun run(*gpu(), c);
        REQUIRE(run.check() == "");
        all.push_back(run.results());
      }
    for (const Image& one : all) CHECK((one == all[0]));
  }
}

TEST_CASE("attention on a GPU: a captured launch replays with the lengths of the moment") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  AttendRun run(*gpu(), {.heads = 32, .kv_heads = 8, .dim_k = 128, .dim_v = 128, .lengths = {2000, 900, 64, 3000, 17}});
  run.prepare();
  cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { run.launch(stream.get()); });
  const std::vector<std::int64_t> steps[] = {{2000, 900, 64, 3000, 17}, {1, 1, 1, 1, 1},       {0, 0, 0, 0, 0},
                                             {0, 900, 0, 0, 0},         {1999, 64, 63, 1, 16}, {0, 0, 0, 3000, 0}};
  for (const auto& lengths : steps) {
    run.shorten(lengths);
    run.reset_outputs();
    replay.launch(stream.get());
    gpu()->synchronise(stream.get());
    CHECK(run.compare() == "");
  }
}

TEST_CASE("attention on a GPU: the same launch gives the same bits, again and again") {
  if (gpu() == nullptr) return;
  AttendCase grouped{.heads = 32, .kv_heads = 8, .dim_k = 128, .dim_v = 128, .lengths = {5000, 900, 64, 8000, 17}};
  AttendCase mla = grouped;  // groups of warps that split dims
  mla.heads = 128, mla.kv_heads = 1, mla.dim_k = 576, mla.dim_v = 512, mla.joint = true,
  mla.lengths = {1500, 900, 64, 17};
  for (const AttendCase& c : {grouped, mla}) {
    AttendRun run(*gpu(), c);
    REQUIRE(run.check() == "");
    Image first = run.results();
    for (int i = 0; i < 20; ++i) {
      run.reset_outputs();
      run.launch();
      gpu()->synchronise();
      CHECK((run.results() == first));
    }
  }
}

TEST_CASE("attention on a GPU: it goes by lengths that the kernel just before writes, whatever stood there") {
  if (gpu() == nullptr) return;
  constexpr std::int64_t page = 64, much = 0x7fffffff;
  cuda::OwnStream stream(device_of(*gpu()));
  AttendCase c{.heads = 32, .kv_heads = 8, .dim_k = 128, .dim_v = 128, .page = page, .lengths = {700, 0, 3000, 64, 1}};
  AttendCase mla = c;
  mla.heads = 64, mla.kv_heads = 1, mla.dim_k = 576, mla.dim_v = 512, mla.joint = true;
  std::vector<std::int64_t> first_page{0}, used;
  for (std::int64_t n : c.lengths) {
    std::int64_t pages = (n + page - 1) / page;
    first_page.push_back(first_page.back() + pages);
    used.push_back(n - (pages - 1) * page);
  }
  DeviceBuffer indptr(*gpu(), integers(Elem::i32, first_page), "kv_indptr");
  DeviceBuffer last(*gpu(), integers(Elem::i32, used), "kv_last_page_len");
  for (const AttendCase& one : {c, mla}) {
    AttendRun run(*gpu(), one);
    run.prepare();
    SeqLensArgs lens;
    lens.kv_indptr = Tensor(indptr.data(), Elem::i32, {static_cast<std::int64_t>(first_page.size())});
    lens.kv_last_page_len = Tensor(last.data(), Elem::i32, {static_cast<std::int64_t>(used.size())});
    lens.page = page, lens.seq_lens = run.args().lengths;
    gpu()->prepare(lens);
    const std::vector<std::int64_t> others[] = {
        {0, 0, 0, 0, 0}, {3000, 700, 1, 0, 64}, {much, -1, much, much, much}, {1 << 20, 1 << 29, 0, 0, 0}};
    for (int round = 0; round < 10; ++round)
      for (const auto& numbers : others) {
        run.reset_outputs();
        run.overwrite_lengths(numbers);
        gpu()->synchronise();
        gpu()->seq_lens(lens, stream.get());
        run.launch(stream.get());
        gpu()->synchronise(stream.get());
        CHECK(run.compare() == "");
      }
  }
}

TEST_CASE("attention on a GPU: launches back to back, each of which may start early") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  std::vector<std::unique_ptr<AttendRun>> runs;
  for (std::uint64_t i = 0; i < 5; ++i) {
    AttendCase c{.heads = 16, .kv_heads = 4, .dim_k = 128, .dim_v = 128, .lengths = {300, 0, 1000}, .seed = i};
    if (i == 3) c.shift = 1;
    if (i == 4) c.queries = {3, 1, 2}, c.left = 50;
    runs.push_back(std::make_unique<AttendRun>(*gpu(), c));
    runs.back()->prepare();
    runs.back()->reset_outputs();
  }
  for (int round = 0; round < 50; ++round)
    for (auto& run : runs) run->launch(stream.get());
  gpu()->synchronise(stream.get());
  for (auto& run : runs) CHECK(run->compare() == "");
}

}  // namespace pagejit::tests
