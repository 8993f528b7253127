// The rules of flatten, one by one: batches, lengths, starts, gaps, tails, outputs that are too small.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

std::vector<std::int64_t> random_lengths(std::string_view name, std::size_t count, std::int64_t most) {
  auto random = random_for(name);
  std::vector<std::int64_t> all(count);
  for (auto& length : all) length = std::uniform_int_distribution<std::int64_t>(0, most)(random);
  return all;
}

FlattenCase with_lengths(std::vector<std::int64_t> lengths, std::int64_t tail = 7) {
  FlattenCase c;
  c.lengths = std::move(lengths);
  c.out_rows = c.total() + tail;
  return c;
}

FlattenCase with_starts(std::vector<std::int64_t> lengths, std::vector<std::int64_t> starts, std::int64_t out_rows) {
  FlattenCase c;
  c.lengths = std::move(lengths), c.starts = std::move(starts), c.out_rows = out_rows;
  return c;
}

}  // namespace

TEST_CASE("flatten: four ragged sequences of half precision, both output layouts") {
  for (auto out : {FlattenArgs::Out::shd, FlattenArgs::Out::hsd}) {
    FlattenCase c = with_lengths({2, 24, 47, 48});
    c.heads = 4, c.kv = c.to = Elem::f16, c.out = out;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: the tail behind two short sequences is zero though the cache is full of NaN") {
  for (auto out : {FlattenArgs::Out::shd, FlattenArgs::Out::hsd}) {
    FlattenCase c = with_lengths({2, 7});
    c.dim_k = c.dim_v = 8, c.out_rows = 16 + 16, c.out = out;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: any batch size is right, none and a thousand included") {
  for (std::size_t batch : {0, 1, 2, 7, 31, 32, 33, 64, 129, 1000}) {
    FlattenCase c = with_lengths(random_lengths("batches", batch, batch > 100 ? 3 : 40));
    c.heads = 1, c.dim_k = c.dim_v = 16;
    CAPTURE(batch);
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: a thousand sequences with starts in any order") {
  FlattenCase c = with_lengths(random_lengths("thousand", 1000, 3), 0);
  c.heads = 1, c.dim_k = c.dim_v = 16;
  std::vector<std::size_t> order(1000);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto random = random_for("order");
  std::shuffle(order.begin(), order.end(), random);
  c.starts.resize(1000);
  std::int64_t row = 0;
  for (std::size_t b : order) c.starts[b] = row, row += c.lengths[b];
  CHECK(emulate(c) == "");
}

TEST_CASE("flatten: no sequences: the whole output is zero, or untouched") {
  for (auto tail : {flatten::Tail::zero, flatten::Tail::untouched}) {
    FlattenCase c = with_lengths({}, 100);
    c.tail = tail;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: sequences of length zero in first, middle and last place, and nothing but them") {
  CHECK(emulate(with_lengths({0, 5, 20})) == "");
  CHECK(emulate(with_lengths({5, 0, 20})) == "");
  CHECK(emulate(with_lengths({5, 0, 0, 0, 20})) == "");
  CHECK(emulate(with_lengths({5, 20, 0})) == "");
  CHECK(emulate(with_lengths({0, 0, 0})) == "");
}

TEST_CASE("flatten: a last page with one row, and lengths of whole pages") {
  CHECK(emulate(with_lengths({17, 33, 1})) == "");
  CHECK(emulate(with_lengths({16, 32, 64})) == "");
}

TEST_CASE("flatten: the tail is zeroed to the end of the output, however many pages that is") {
  for (std::int64_t tail : {0, 1, 15, 16, 17, 1600, 5000}) {
    FlattenCase c = with_lengths({2, 7}, tail);
    c.dim_k = c.dim_v = 8;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: an untouched tail stays as it was, byte for byte") {
  FlattenCase c = with_lengths({2, 24}, 300);
  c.tail = flatten::Tail::untouched;
  CHECK(emulate(c) == "");
}

TEST_CASE("flatten: rows that the output has no room for are dropped, and nothing is written past its end") {
  for (std::int64_t out_rows : {1, 2, 3, 25, 26, 72, 73, 74, 120}) {
    FlattenCase c = with_lengths({2, 24, 47, 48});
    c.out_rows = out_rows;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: starts in any order, the last sequence not the one that ends last") {
  for (Elem elem : {Elem::i32, Elem::i64}) {
    FlattenCase c = with_starts({20, 5, 30}, {35, 30, 0}, 80);
    c.starts_elem = elem;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: gaps between sequences are zeroed if asked, else untouched; the tail is zeroed either way") {
  for (bool zero : {false, true})
    for (bool descending : {false, true}) {
      FlattenCase c = with_starts({20, 5, 30}, {3, 40, 60}, 130);
      if (descending) c.starts = {100, 50, 1};
      c.zero_gaps = zero;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("flatten: gaps and tail both stay untouched under the untouched policy") {
  FlattenCase c = with_starts({20, 5, 30}, {3, 40, 60}, 130);
  c.tail = flatten::Tail::untouched;
  CHECK(emulate(c) == "");
}

TEST_CASE("flatten: a sequence that starts past the output is dropped whole") {
  CHECK(emulate(with_starts({20, 5}, {3, 500}, 100)) == "");
  CHECK(emulate(with_starts({20, 5}, {3, 100}, 100)) == "");
}

TEST_CASE("flatten: rows as many as the pool has, the size that a caller takes by default") {
  FlattenCase c = with_lengths({2, 24, 47});
  c.out_rows = (1 + 2 + 3 + 2) * 16;
  CHECK(emulate(c) == "");
}

TEST_CASE("flatten: every pair of element types of cache and output converts to the nearest, ties to even") {
  for (Elem kv : {Elem::f32, Elem::f16, Elem::bf16})
    for (Elem to : {Elem::f32, Elem::f16, Elem::bf16}) {
      FlattenCase c = with_lengths({50, 200});
      c.kv = kv, c.to = to, c.heads = 4, c.dim_k = 64, c.dim_v = 72;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("flatten: with V a prefix of K only K is copied, however that is said") {
  for (std::uint64_t seed : {2, 3}) {  // even: views; odd: left out
    FlattenCase c = with_lengths({2, 24, 47});
    c.joint = true, c.heads = 1, c.dim_k = 576, c.dim_v = 512, c.page = 64, c.seed = seed;
    CHECK(emulate(c) == "");
    FlattenRun run(emulated().context(), c, emulated().poison());
    CHECK(emulated().context().spec_line(run.args()).find("joint=1") != std::string::npos);
  }
}

TEST_CASE("flatten: V inside K's memory but with an output of its own is copied like any other") {
  FlattenCase c = with_lengths({2, 24, 47});
  c.dim_v = 24;
  FlattenRun run(emulated().context(), c);
  FlattenArgs a = run.args();
  a.v_cache = a.k_cache;
  a.v_cache.shape[3] = 24;
  run.reset_outputs();
  emulated().context().flatten(a);
  Image k = run.rows(false), v = run.rows(true);
  for (std::size_t row = 0; row < static_cast<std::size_t>(c.out_rows * c.heads); ++row)
    for (std::size_t byte = 0; byte < 48; ++byte)
      if (v[row * 48 + byte] != k[row * 64 + byte]) FAIL("row " << row << " byte " << byte);
}

TEST_CASE("flatten: spoilt expectations are noticed: a wrong page, a dropped row, a stray write") {
  FlattenCase c = with_lengths({20, 30});
  FlattenRun run(emulated().context(), c);
  CHECK(run.check() == "");
  std::byte* out = static_cast<std::byte*>(run.args().k_out.data);
  for (std::int64_t byte : {0, 1001, static_cast<int>(c.out_rows * c.heads * 32 * 2) + 3, -5}) {
    run.reset_outputs();
    emulated().context().flatten(run.args());
    CHECK(run.compare() == "");
    std::byte was;
    emulated().context().copy_out(&was, out + byte, 1);
    was ^= std::byte{1};
    emulated().context().copy_in(out + byte, &was, 1);
    CHECK(run.compare().starts_with("k_out: element"));
  }
}

}  // namespace pagejit::tests
