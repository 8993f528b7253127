// The rules of the writers, one by one.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/append_case.h"
#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

using Call = AppendCase::Call;
using Numbers = AppendCase::Numbers;

std::string emulate(const AppendCase& c) {
  return run_append(emulated().context(), c, emulated().poison());
}

}  // namespace

TEST_CASE("append: one and many new tokens behind histories, four heads, f32") {
  for (bool one : {true, false}) {
    AppendCase c;
    c.in = c.stored = Elem::f32, c.heads = 4;
    if (one) c.sequences = {{1, 1}, {16, 1}, {31, 1}, {24, 1}};
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("append: a sequence without new tokens writes nothing, wherever it stands") {
  for (auto starts : {append::Starts::computed, append::Starts::given, append::Starts::indptr}) {
    AppendCase c;
    c.starts = starts;
    c.sequences = {{17, 0}, {3, 2}, {5, 0}, {0, 1}, {17, 0}};
    CHECK(emulate(c) == "");
    c.sequences = {{17, 0}};
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("append: positions before the first are skipped") {
  for (Call call : {Call::fill, Call::append, Call::reshape}) {
    AppendCase c;
    c.call = call, c.sequences = {{-3, 10}, {-5, 5}, {0, 4}};
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("append: any batch size is right, none and a thousand included") {
  auto random = random_for("append batches");
  for (std::size_t batch : {0, 1, 2, 31, 32, 33, 129, 1000}) {
    AppendCase c;
    c.heads = 1, c.dim_k = c.dim_v = 16;
    c.sequences.clear();
    for (std::size_t b = 0; b < batch; ++b)
      c.sequences.push_back({static_cast<std::int64_t>(random() % 20), static_cast<std::int64_t>(random() % 4)});
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("append: marked tokens are written nowhere, in every form") {
  for (Call call :
       {Call::append, Call::reshape, Call::mla_split, Call::mla_joint, Call::concat, Call::row656, Call::indexer})
    for (int each : {1, 2, 3}) {
      AppendCase c;
      c.call = call, c.skip_each = each, c.spare = 4, c.dim_k = 128;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("append: valid_tokens bounds what is written, from none to more than there are") {
  for (Call call : {Call::fill, Call::append, Call::reshape, Call::concat})
    for (int valid : {0, 1, 17, 48, 49, 1000}) {
      AppendCase c;
      c.call = call, c.valid = valid, c.starts = append::Starts::indptr;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("append: every quantiser is right to the bit on numbers of every kind") {
  auto random = random_for("append quantisers");
  for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4})
    for (Elem in : {Elem::bf16, Elem::f16, Elem::f32})
      for (Elem meta : {Elem::f16, Elem::bf16, Elem::f32}) {
        AppendCase c;
        c.quant = quant, c.in = in, c.meta = meta, c.stored = meta == Elem::f32 ? Elem::e5m2 : Elem::e4m3;
        c.dim_k = 128, c.dim_v = 96, c.numbers = Numbers::awkward, c.seed = random();
        c.power_of_two = random() % 2;
        CHECK(emulate(c) == "");
      }
}

TEST_CASE("append: turbo rotates and quantises K by four bits and V by two") {
  auto random = random_for("append turbo");
  for (Elem in : {Elem::bf16, Elem::f16, Elem::f32})
    for (int dim : {4, 64, 128, 512}) {
      AppendCase c;
      c.quant = Quant::turbo4, c.in = in, c.meta = in, c.dim_k = c.dim_v = dim, c.seed = random();
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("append: each scale rule, with and without a power of two, for MLA rows and the indexer") {
  for (Call call : {Call::fill, Call::fill656, Call::row656, Call::indexer})
    for (ScaleRule rule : {ScaleRule::blocked, ScaleRule::mla, ScaleRule::indexer})
      for (bool power_of_two : {false, true}) {
        AppendCase c;
        c.call = call, c.quant = Quant::fp8_group, c.dim_k = c.dim_v = 192, c.rule = rule;
        c.power_of_two = power_of_two, c.numbers = Numbers::awkward;
        CHECK(emulate(c) == "");
      }
}

TEST_CASE("append: one layer of a cross-layer cache gives what the packed cache gives, to the bit") {
  for (Call call : {Call::fill, Call::append, Call::reshape, Call::fill656, Call::mla_split, Call::mla_joint,
                    Call::concat, Call::row656, Call::indexer})
    for (Quant quant : {Quant::none, Quant::int8, Quant::int4}) {
      if (call > Call::reshape && quant != Quant::none) continue;
      std::vector<Image> rows;
      for (int layers : {1, 3})
        for (int shift : {0, 8, 4, 2, 1}) {
          AppendCase c;
          c.call = call, c.quant = quant, c.layers = layers, c.shift = shift, c.dim_k = 128, c.seed = 5;
          AppendRun run(emulated().context(), c, emulated().poison());
          REQUIRE(run.check() == "");
          rows.push_back(run.rows());
        }
      for (const Image& r : rows) CHECK(r == rows[0]);
    }
}

TEST_CASE("append: V at K's own memory is a prefix of K, and written with it") {
  AppendCase c;
  c.heads = 1, c.dim_k = 576, c.dim_v = 0;
  AppendRun run(emulated().context(), c);
  auto& a = std::get<FillArgs>(run.args());
  a.v = a.k, a.v_cache = a.k_cache;
  a.v.shape[2] = a.v_cache.shape[3] = 512;
  CHECK(run.spec_line().find("dim_v=0") != std::string::npos);
  CHECK(run.check() == "");
}

TEST_CASE("append: a thousand random calls compile what the first call did") {
  Emulated fresh;
  auto random = random_for("a thousand appends");
  for (int i = 0; i < 1000; ++i) {
    AppendCase c;
    c.page = 4, c.heads = static_cast<int>(1 + random() % 3), c.dim_k = c.dim_v = 8, c.seed = random();
    c.sequences.clear();
    for (auto b = 1 + random() % 4; b > 0; --b)
      c.sequences.push_back({static_cast<std::int64_t>(random() % 9), static_cast<std::int64_t>(random() % 5)});
    c.layers = static_cast<int>(1 + random() % 3), c.shift = static_cast<int>(8 * (random() % 2));
    c.sequences.push_back({0, 1});
    AppendRun run(fresh.context(), c);
    if (i % 20 == 0)
      REQUIRE(run.check() == "");
    else
      run.launch();
    REQUIRE(fresh.context().statistics().compiles == 1);
  }
  CHECK(fresh.context().statistics().launches == 1000);
}

TEST_CASE("append: spoilt expectations are noticed: a wrong byte in a row, between rows, in the metadata") {
  AppendCase c;
  c.quant = Quant::int8;
  AppendRun run(emulated().context(), c);
  REQUIRE(run.check() == "");
  auto& a = std::get<FillArgs>(run.args());
  for (void* at : {a.k_cache.data, a.v_cache.data, a.k_scales.data}) {
    std::byte* first = static_cast<std::byte*>(at);
    for (int byte : {0, 3, -5}) {
      run.reset_caches();
      run.launch();
      CHECK(run.compare() == "");
      std::byte was;
      emulated().context().copy_out(&was, first + byte, 1);
      was ^= std::byte{1};
      emulated().context().copy_in(first + byte, &was, 1);
      CHECK(run.compare() != "");
    }
  }
}

}  // namespace pagejit::tests
