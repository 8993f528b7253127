// The gathers on a GPU: the same grid as on the emulator; graphs whose inputs change; far pages.
#include <doctest/doctest.h>

#include <cstring>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/gather_case.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("gather on a GPU: a sample of all kinds, elements, strides and batches is right to the bit") {
  if (gpu() == nullptr) return;
  for (const std::string& problem : run_gather_grid(*gpu(), 400, test_seed() + 1)) FAIL_CHECK(problem);
}

TEST_CASE("gather on a GPU: long sequences of every kind, from any token on") {
  if (gpu() == nullptr) return;
  auto random = random_for("long gathers");
  for (auto kind : {GatherCase::Kind::rows, GatherCase::Kind::mla, GatherCase::Kind::indexer})
    for (int layers : {1, 3}) {
      GatherCase c;
      c.kind = kind, c.dim = kind == GatherCase::Kind::rows ? 576 : 128, c.page = 64, c.layers = layers;
      c.lengths.clear();
      for (int b = 0; b < 8; ++b) {
        c.lengths.push_back(static_cast<std::int64_t>(random() % 2000));
        c.seq_starts.push_back(static_cast<std::int64_t>(random() % 500));
      }
      c.rows = 9000, c.seed = random();
      CHECK(run_gather(*gpu(), c) == "");
    }
}

TEST_CASE("gather on a GPU: a captured launch replays, as often as it is asked to") {
  if (gpu() == nullptr) return;
  for (auto kind : {GatherCase::Kind::rows, GatherCase::Kind::mla, GatherCase::Kind::indexer}) {
    GatherCase c;
    c.kind = kind, c.dim = 128, c.seq_starts = {3, 0, 17, 200};
    GatherRun run(*gpu(), c);
    run.prepare();
    cuda::OwnStream stream(device_of(*gpu()));
    cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { run.launch(stream.get()); });
    for (int i = 0; i < 3; ++i) {
      run.reset_outputs();
      replay.launch(stream.get());
      gpu()->synchronise(stream.get());
      CHECK(run.compare() == "");
    }
  }
}

TEST_CASE("gather on a GPU: planar pages more than 2^32 bytes away are found") {
  if (gpu() == nullptr) return;
  constexpr std::int64_t step = (std::int64_t{1} << 32) + 4, page = 64, page_bytes = page * 132;
  std::size_t bytes = step + page_bytes;
  if (cuda::free_bytes(device_of(*gpu())) < bytes + (1u << 30))
    return skip_test("less than 6 GB of GPU memory are free");
  auto* cache = static_cast<std::byte*>(gpu()->allocate(bytes, "src"));
  gpu()->fill(cache, 0xff, bytes);
  gpu()->fill(cache + step, 1, page * 128);
  gpu()->fill(cache + step + page * 128, 2, page * 4);
  Image lists(12);
  std::int32_t numbers[] = {1, 0, 64};  // the page table; the range of rows
  std::memcpy(lists.data(), numbers, lists.size());
  DeviceBuffer list(*gpu(), lists, "lists"), k(*gpu(), Image(page * 128), "dst_k"),
      scales(*gpu(), Image(page * 4), "dst_scale");
  GatherIndexerArgs a;
  a.src = Tensor(cache, Elem::u8, {2, page, 132}, {step, 132, 1});
  a.dst_k = Tensor(k.data(), Elem::e4m3, {page, 128});
  a.dst_scale = Tensor(scales.data(), Elem::f32, {page, 1});
  a.block_table = Tensor(list.data(), Elem::i32, {1, 1});
  a.cu_seq_lens = Tensor(list.data() + 4, Elem::i32, {2});
  gpu()->gather_indexer(a);
  CHECK((k.read() == Image(page * 128, std::byte{1})));
  CHECK((scales.read() == Image(page * 4, std::byte{2})));
  gpu()->release(cache);
}

}  // namespace pagejit::tests
