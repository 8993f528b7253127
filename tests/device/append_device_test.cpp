// The writers on a GPU: the same grid as on the emulator, larger; far addresses; graphs; early launches.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/append_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

using Call = AppendCase::Call;

AppendCase medium(Call call) {
  AppendCase c;
  c.call = call, c.heads = 8, c.dim_k = c.dim_v = 128, c.page = 64;
  c.sequences = {{1000, 1}, {0, 700}, {64, 64}, {5, 0}, {63, 130}};
  return c;
}

}  // namespace

TEST_CASE("append on a GPU: a sample of all Specs, strides and batches is right to the bit") {
  if (gpu() == nullptr) return;
  AppendGrid grid;
  grid.cases = 600;
  grid.seed = test_seed() + 1;
  grid.elements = 200'000;
  for (const std::string& problem : run_append_grid(*gpu(), grid)) FAIL_CHECK(problem);
}

TEST_CASE("append on a GPU: every quantiser on numbers of every kind") {
  if (gpu() == nullptr) return;
  auto random = random_for("quantisers on a GPU");
  for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4, Quant::turbo4})
    for (Elem in : {Elem::bf16, Elem::f16, Elem::f32}) {
      AppendCase c = medium(Call::fill);
      c.quant = quant, c.in = in, c.meta = in, c.stored = Elem::e4m3, c.seed = random();
      if (quant != Quant::turbo4) c.numbers = AppendCase::Numbers::awkward;
      CHECK(run_append(*gpu(), c) == "");
    }
}

TEST_CASE("append on a GPU: a layer's view and every alignment give the rows of the packed cache, to the bit") {
  if (gpu() == nullptr) return;
  for (Call call : {Call::fill, Call::append, Call::reshape, Call::mla_joint, Call::row656, Call::indexer})
    for (Quant quant : {Quant::none, Quant::int4}) {
      if (call >= Call::mla_split && quant != Quant::none) continue;
      std::vector<Image> rows;
      for (int layers : {1, 3})
        for (int shift : {0, 8, 4, 2, 1}) {
          AppendCase c = medium(call);
          c.quant = quant, c.layers = layers, c.shift = shift;
          AppendRun run(*gpu(), c);
          REQUIRE(run.check() == "");
          rows.push_back(run.rows());
        }
      for (const Image& r : rows) CHECK(r == rows[0]);
    }
}

TEST_CASE("append on a GPU: pages more than 2^32 elements away are found") {
  if (gpu() == nullptr) return;
  constexpr std::int64_t pages = 70'000, page_stride = 65536;  // 4.6 · 10^9 elements: 9.2 GB
  std::size_t bytes = static_cast<std::size_t>(pages * page_stride) * 2;
  if (cuda::free_bytes(device_of(*gpu())) < bytes + (1u << 30))
    return skip_test("less than 11 GB of GPU memory are free");
  auto* cache = static_cast<std::byte*>(gpu()->allocate(bytes, "cache"));
  gpu()->fill(cache, 0xff, bytes);
  std::vector<std::int64_t> ids = {69'999, 3, 65'536, 32'768, 65'535}, slots;
  for (std::size_t i = 0; i < ids.size(); ++i) slots.push_back(ids[i] * 16 + static_cast<std::int64_t>(i));
  Image numbers(slots.size() * 8), rows(slots.size() * 256);
  std::memcpy(numbers.data(), slots.data(), numbers.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i / 256 + 1);
  DeviceBuffer list(*gpu(), numbers, "slots"), k(*gpu(), rows, "k");
  ReshapeAndCacheArgs a;
  a.k = Tensor(k.data(), Elem::bf16, {5, 1, 128});
  a.k_cache = Tensor(cache, Elem::bf16, {pages, 16, 1, 128}, {page_stride, 128, 128, 1});
  a.slots = Tensor(list.data(), Elem::i64, {5});
  gpu()->reshape_and_cache(a);
  Image row(256), before(256, std::byte{0xff});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::byte* at = cache + (ids[i] * page_stride + static_cast<std::int64_t>(i) * 128) * 2;
    gpu()->copy_out(row.data(), at, 256);
    CHECK(row == Image(256, static_cast<std::byte>(i + 1)));
    gpu()->copy_out(row.data(), at + 256, 256);
    CHECK(row == before);
  }
  gpu()->release(cache);
}

TEST_CASE("append on a GPU: a captured launch replays with the rows, the lengths and the slots of the moment") {
  if (gpu() == nullptr) return;
  for (Call call : {Call::fill, Call::append, Call::reshape}) {
    cuda::OwnStream stream(device_of(*gpu()));
    AppendCase c = medium(call);
    c.quant = Quant::int8, c.starts = append::Starts::computed;
    AppendRun first(*gpu(), c);
    first.prepare();
    cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { first.launch(stream.get()); });
    for (std::uint64_t seed : {11, 12, 13}) {
      AppendCase other = c;
      std::mt19937_64 random(seed);
      std::shuffle(other.sequences.begin(), other.sequences.end(), random);
      other.seed = seed, other.skip_each = static_cast<int>(seed % 3);
      AppendRun next(*gpu(), other);
      next.move_to(first);
      first.reset_caches();
      gpu()->synchronise();
      replay.launch(stream.get());
      gpu()->synchronise(stream.get());
      CHECK(first.compare() == "");
    }
  }
}

TEST_CASE("append on a GPU: what is written can be read by the launch right behind it, though that may start early") {
  if (gpu() == nullptr) return;
  constexpr std::int64_t rows = 1024, row = 4 * 128;
  auto random = random_for("there and back");
  Image noise(static_cast<std::size_t>(rows * row) * 2), numbers(static_cast<std::size_t>(rows) * 8);
  for (std::byte& b : noise) b = static_cast<std::byte>(random());
  std::vector<std::int64_t> turn(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < turn.size(); ++i) turn[i] = static_cast<std::int64_t>(i);
  std::shuffle(turn.begin(), turn.end(), random);
  std::memcpy(numbers.data(), turn.data(), numbers.size());
  DeviceBuffer here(*gpu(), noise, "here"), there(*gpu(), noise, "there"), slots(*gpu(), numbers, "slots");
  auto args = [&](const DeviceBuffer& from, const DeviceBuffer& to) {
    ReshapeAndCacheArgs a;
    a.k = Tensor(from.data(), Elem::bf16, {rows, 4, 128});
    a.k_cache = Tensor(to.data(), Elem::bf16, {rows / 16, 16, 4, 128});
    a.slots = Tensor(slots.data(), Elem::i64, {rows});
    return a;
  };
  for (int i = 0; i < 500; ++i) gpu()->reshape_and_cache(i % 2 ? args(there, here) : args(here, there));
  Image expected = noise, next = noise;
  for (int i = 0; i < 500; ++i) {
    for (std::size_t r = 0; r < turn.size(); ++r)
      std::memcpy(&next[static_cast<std::size_t>(turn[r] * row) * 2], &expected[r * row * 2], row * 2);
    std::swap(next, expected);
  }
  CHECK((here.read() == expected));
}

}  // namespace pagejit::tests
