// The gathers of chunked prefill: a sampled grid, then their rules one by one.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/emulated.h"
#include "tests/kernels/gather_case.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

using Kind = GatherCase::Kind;

std::string gather(const GatherCase& c) {
  return run_gather(emulated().context(), c, emulated().poison());
}

}  // namespace

TEST_CASE("gather: a sample of all kinds, elements, strides and batches is right to the bit, and reads nothing else") {
  for (const std::string& problem : run_gather_grid(emulated().context(), 150, test_seed(), emulated().poison()))
    FAIL_CHECK(problem);
}

TEST_CASE("gather: sequences start at any token, in the middle of a page, at its end, whole pages in") {
  for (Kind kind : {Kind::rows, Kind::mla, Kind::indexer})
    for (std::int64_t start : {0, 1, 15, 16, 17, 33, 160}) {
      GatherCase c;
      c.kind = kind, c.dim = kind == Kind::indexer ? 128 : 64;
      c.seq_starts = {start, 3, 0, start};
      CAPTURE(static_cast<int>(kind));
      CAPTURE(start);
      CHECK(gather(c) == "");
    }
}

TEST_CASE("gather: rows that no sequence owns stay as they were, or are zeroed if asked") {
  for (Kind kind : {Kind::rows, Kind::mla, Kind::indexer})
    for (auto tail : {flatten::Tail::untouched, flatten::Tail::zero}) {
      GatherCase c;
      c.kind = kind, c.dim = 128, c.tail = tail, c.rows = 500;
      CHECK(gather(c) == "");
    }
}

TEST_CASE("gather: rows that the output has no room for are dropped") {
  for (std::int64_t rows : {1, 5, 6, 44, 61, 62}) {
    GatherCase c;
    c.rows = rows;
    CHECK(gather(c) == "");
  }
}

TEST_CASE("gather: fp8 rows of every usual latent size become halves by their scale") {
  for (int dim : {320, 512, 576})
    for (Elem from : {Elem::e4m3, Elem::e5m2})
      for (Elem to : {Elem::bf16, Elem::f16, Elem::f32}) {
        GatherCase c;
        c.dim = dim, c.from = from, c.to = to, c.scaled = true;
        CHECK(gather(c) == "");
      }
}

TEST_CASE("gather: planar pages any distance apart, even one that is no multiple of 4") {
  for (int shift : {0, 1, 2, 4, 12}) {
    GatherCase c;
    c.kind = Kind::indexer, c.dim = 128, c.page = 64, c.layers = 3, c.shift = shift;
    CHECK(gather(c) == "");
  }
}

TEST_CASE("gather: one layer of many gives the rows of the packed cache, to the bit") {
  for (Kind kind : {Kind::rows, Kind::mla, Kind::indexer}) {
    std::vector<Image> all;
    for (int layers : {1, 3})
      for (int shift : {0, 4}) {
        GatherCase c;
        c.kind = kind, c.dim = 128, c.layers = layers, c.shift = shift, c.seed = test_seed();
        c.tail = flatten::Tail::zero;
        GatherRun run(emulated().context(), c, emulated().poison());
        REQUIRE(run.check() == "");
        all.push_back(run.rows());
      }
    for (const Image& rows : all) CHECK(rows == all[0]);
    CHECK(std::any_of(all[0].begin(), all[0].end(), [](std::byte b) { return b != std::byte{0}; }));
  }
}

TEST_CASE("gather: no sequences, sequences of nothing, and no rows at all") {
  for (Kind kind : {Kind::rows, Kind::mla, Kind::indexer}) {
    GatherCase c;
    c.kind = kind, c.dim = 128;
    c.lengths = {};
    CHECK(gather(c) == "");
    c.tail = flatten::Tail::zero;
    CHECK(gather(c) == "");
    c.lengths = {0, 0, 0};
    CHECK(gather(c) == "");
    c.rows = 0;
    CHECK(gather(c) == "");
  }
}

TEST_CASE("gather: a thousand random batches of one shape compile one kernel") {
  Emulated fresh;
  auto random = random_for("gather batches");
  for (int i = 0; i < 1000; ++i) {
    GatherCase c;
    c.dim = 8, c.page = 4, c.seed = random();
    c.lengths.assign(random() % 5 + 1, 0);
    for (auto& length : c.lengths) length = static_cast<std::int64_t>(random() % 9);
    c.seq_starts.assign(c.lengths.size(), static_cast<std::int64_t>(random() % 7));
    c.rows = 1 + static_cast<std::int64_t>(random() % 40), c.layers = 1 + static_cast<int>(random() % 3);
    GatherRun run(fresh.context(), c);
    if (i % 20 == 0)
      REQUIRE(run.check() == "");
    else
      run.launch();
  }
  CHECK(fresh.context().statistics().compiles == 1);
}

}  // namespace pagejit::tests
