// flatten on a GPU: the same grid as on the emulator, larger; far addresses; streams, graphs, early launches, threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/flatten_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

FlattenCase medium() {
  FlattenCase c;
  c.heads = 8, c.dim_k = c.dim_v = 128, c.page = 64;
  c.lengths = {1000, 1, 0, 64, 777, 2048};
  c.out_rows = c.total() + 500;
  return c;
}

Image list(const std::vector<std::int32_t>& numbers) {
  Image image(numbers.size() * 4);
  std::memcpy(image.data(), numbers.data(), image.size());
  return image;
}

}  // namespace

TEST_CASE("flatten on a GPU: a sample of all Specs, strides and batches is right to the bit") {
  if (gpu() == nullptr) return;
  FlattenGrid grid;
  grid.cases = 600;
  grid.seed = test_seed() + 1;
  grid.elements = 400'000;
  for (const std::string& problem : run_flatten_grid(*gpu(), grid)) FAIL_CHECK(problem);
}

TEST_CASE("flatten on a GPU: sixteen long sequences, every layout, packed and one layer of many") {
  if (gpu() == nullptr) return;
  auto random = random_for("long sequences");
  for (int i = 0; i < 8; ++i) {
    FlattenCase c = medium();
    c.lengths.assign(16, 0);
    for (auto& length : c.lengths) length = static_cast<std::int64_t>(random() % 2000);
    c.layout = i & 1 ? FlattenArgs::Layout::hnd : FlattenArgs::Layout::nhd;
    c.out = i & 2 ? FlattenArgs::Out::hsd : FlattenArgs::Out::shd;
    c.layers = i & 4 ? 3 : 1, c.page = i & 4 ? 16 : 64;
    c.out_rows = c.total() + 5000, c.seed = random();
    CHECK(run_flatten(*gpu(), c) == "");
  }
}

TEST_CASE("flatten on a GPU: a layer's view and every alignment give the rows of the packed cache, to the bit") {
  if (gpu() == nullptr) return;
  std::vector<Image> k, v;
  for (int layers : {1, 3})
    for (int shift : {0, 8, 4, 2, 1}) {
      FlattenCase c = medium();
      c.layers = layers, c.shift = shift;
      FlattenRun run(*gpu(), c);
      REQUIRE(run.check() == "");
      k.push_back(run.rows(false)), v.push_back(run.rows(true));
    }
  for (const Image& rows : k) CHECK(rows == k[0]);
  for (const Image& rows : v) CHECK(rows == v[0]);
}

TEST_CASE("flatten on a GPU: pages more than 2^32 elements away are found") {
  if (gpu() == nullptr) return;
  constexpr std::int64_t pages = 70'000, page_stride = 65536;  // 4.6 · 10^9 elements: 9.2 GB
  std::size_t bytes = static_cast<std::size_t>(pages * page_stride) * 2;
  if (cuda::free_bytes(device_of(*gpu())) < bytes + (1u << 30))
    return skip_test("less than 11 GB of GPU memory are free");
  auto* cache = static_cast<std::byte*>(gpu()->allocate(bytes, "cache"));
  gpu()->fill(cache, 0xff, bytes);
  std::vector<std::int32_t> ids = {69'999, 3, 65'536, 32'768, 65'535};
  for (std::size_t i = 0; i < ids.size(); ++i)
    gpu()->fill(cache + ids[i] * page_stride * 2, static_cast<unsigned char>(i + 1), 16 * 256);
  DeviceBuffer out(*gpu(), Image(5 * 16 * 256), "out"), table(*gpu(), list(ids), "table"),
      lengths(*gpu(), list({80}), "lengths");
  FlattenArgs a;
  a.k_cache = Tensor(cache, Elem::bf16, {pages, 16, 1, 128}, {page_stride, 128, 128, 1});
  a.k_out = Tensor(out.data(), Elem::bf16, {80, 1, 128});
  a.block_table = Tensor(table.data(), Elem::i32, {1, 5});
  a.lengths = Tensor(lengths.data(), Elem::i32, {1});
  gpu()->flatten(a);
  Image rows = out.read();
  gpu()->release(cache);
  for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i] == static_cast<std::byte>(i / 4096 + 1));
}

TEST_CASE("flatten on a GPU: launches on several streams do not disturb each other") {
  if (gpu() == nullptr) return;
  std::vector<std::unique_ptr<cuda::OwnStream>> streams;
  std::vector<std::unique_ptr<FlattenRun>> runs;
  for (std::uint64_t i = 0; i < 6; ++i) {
    FlattenCase c = medium();
    c.seed = i, c.shift = i % 2 ? 1 : 0;
    streams.push_back(std::make_unique<cuda::OwnStream>(device_of(*gpu())));
    runs.push_back(std::make_unique<FlattenRun>(*gpu(), c));
    runs.back()->reset_outputs();
    gpu()->prepare(runs.back()->args());
  }
  gpu()->synchronise();
  for (int round = 0; round < 20; ++round)
    for (std::size_t i = 0; i < runs.size(); ++i) gpu()->flatten(runs[i]->args(), streams[i]->get());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    gpu()->synchronise(streams[i]->get());
    CHECK(runs[i]->compare() == "");
  }
}

TEST_CASE("flatten on a GPU: a captured launch replays with the lengths and pages of the moment") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  FlattenCase c = medium();
  c.out_rows = 5000;
  FlattenRun first(*gpu(), c);
  gpu()->prepare(first.args());
  cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { gpu()->flatten(first.args(), stream.get()); });
  for (std::uint64_t seed : {11, 12, 13}) {
    // Another batch through the same buffers: caches of one size, tables and lengths written over.
    FlattenCase other = c;
    std::mt19937_64 random(seed);
    std::shuffle(other.lengths.begin(), other.lengths.end(), random);
    other.seed = seed;
    FlattenRun next(*gpu(), other);
    auto move = [&](const Tensor& from, const Tensor& to, std::int64_t count) {
      Image image(static_cast<std::size_t>(count));
      gpu()->copy_out(image.data(), from.data, image.size());
      gpu()->copy_in(to.data, image.data(), image.size());
    };
    const FlattenArgs &n = next.args(), &f = first.args();
    move(n.block_table, f.block_table, n.block_table.shape[0] * n.block_table.shape[1] * 4);
    move(n.lengths, f.lengths, n.lengths.shape[0] * 4);
    std::int64_t cache_bytes = n.k_cache.shape[0] * n.k_cache.stride[0] * 2, out_bytes = c.out_rows * 8 * 128 * 2;
    move(n.k_cache, f.k_cache, cache_bytes);
    move(n.v_cache, f.v_cache, cache_bytes);
    next.reset_outputs();
    first.reset_outputs();
    gpu()->synchronise();
    replay.launch(stream.get());
    gpu()->synchronise(stream.get());
    move(f.k_out, n.k_out, out_bytes);
    move(f.v_out, n.v_out, out_bytes);
    CHECK(next.compare() == "");
  }
}

TEST_CASE("flatten on a GPU: a kernel that is not loaded is refused while capturing, and the capture goes on") {
  if (gpu() == nullptr) return;
  cuda::OwnStream stream(device_of(*gpu()));
  FlattenCase known = medium(), unknown = medium();
  unknown.page = 67;  // nobody else asks for it
  FlattenRun a(*gpu(), known), b(*gpu(), unknown);
  gpu()->prepare(a.args());
  a.reset_outputs();
  gpu()->synchronise();
  Code code = Code::internal;
  cuda::Replay replay(device_of(*gpu()), stream.get(), [&] {
    try {
      gpu()->flatten(b.args(), stream.get());
    } catch (const Error& e) {
      code = e.code();
    }
    gpu()->flatten(a.args(), stream.get());
  });
  CHECK(code == Code::capture);
  replay.launch(stream.get());
  gpu()->synchronise(stream.get());
  CHECK(a.compare() == "");
}

TEST_CASE("flatten on a GPU: launches that read what the one before wrote are in order though each may start early") {
  if (gpu() == nullptr) return;
  constexpr int pages = 64, page = 16, row_bytes = 4 * 128 * 2, page_bytes = page * row_bytes;
  std::vector<std::int32_t> turn(pages);
  std::iota(turn.begin(), turn.end(), 0);
  auto random = random_for("turns");
  std::shuffle(turn.begin(), turn.end(), random);
  Image start(pages * page_bytes);
  for (std::byte& b : start) b = static_cast<std::byte>(random());
  DeviceBuffer here(*gpu(), start, "here"), there(*gpu(), start, "there"), table(*gpu(), list(turn), "table"),
      lengths(*gpu(), list({pages * page}), "lengths");
  auto args = [&](const DeviceBuffer& from, const DeviceBuffer& to) {
    FlattenArgs a;
    a.k_cache = Tensor(from.data(), Elem::bf16, {pages, page, 4, 128});
    a.k_out = Tensor(to.data(), Elem::bf16, {pages * page, 4, 128});
    a.block_table = Tensor(table.data(), Elem::i32, {1, pages});
    a.lengths = Tensor(lengths.data(), Elem::i32, {1});
    return a;
  };
  FlattenArgs go = args(here, there), back = args(there, here);
  back.settled = true;  // every other launch reads the table early; the data it must wait for
  for (int i = 0; i < 500; ++i) gpu()->flatten(i % 2 ? back : go);
  Image expected = start, next = start;
  for (int i = 0; i < 500; ++i) {
    for (std::size_t p = 0; p < pages; ++p)
      std::memcpy(&next[p * page_bytes], &expected[static_cast<std::size_t>(turn[p]) * page_bytes], page_bytes);
    std::swap(next, expected);
  }
  CHECK((here.read() == expected));
}

TEST_CASE("flatten on a GPU: two threads launch at once, each on its own stream") {
  if (gpu() == nullptr) return;
  std::string problems[2];
  auto work = [&](std::size_t which) {
    cuda::OwnStream stream(device_of(*gpu()));
    for (std::uint64_t i = 0; i < 40; ++i) {
      FlattenCase c = medium();
      c.seed = i, c.lengths = {100, static_cast<std::int64_t>(which) * 50, 60}, c.out_rows = 300,
      c.page = static_cast<int>(20 + i % 7);
      std::string problem = FlattenRun(*gpu(), c).check(stream.get());
      if (!problem.empty()) problems[which] = problem;
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  CHECK(problems[0] == "");
  CHECK(problems[1] == "");
}

}  // namespace pagejit::tests
