// The rules of the index kernels, one by one, on the emulator.
#include <doctest/doctest.h>

#include "tests/kernels/emulated.h"
#include "tests/kernels/indices_case.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

template <class Case>
std::string emulate_lists(const Case& c) {
  return run_case(emulated().context(), c, emulated().poison());
}

Numbers random_numbers(std::mt19937_64& random, std::size_t count, std::int64_t least, std::int64_t most) {
  Numbers all(count);
  for (auto& n : all) n = std::uniform_int_distribution<std::int64_t>(least, most)(random);
  return all;
}

/// A batch that appends so many tokens to each sequence, after some that were there before.
PositionsCase append(std::mt19937_64& random, const Numbers& appended, std::int64_t padding) {
  PositionsCase c{indptr_of(appended), appended, 0};
  for (auto& length : c.lengths) length += static_cast<std::int64_t>(random() % 50);
  c.tokens = c.indptr.back() + padding;
  return c;
}

}  // namespace

TEST_CASE("indices: positions are right for any batch, and padding is written by the kernel") {
  auto random = random_for("positions");
  for (std::size_t batch : {0, 1, 2, 3, 4, 31, 32, 33, 255, 256, 1000})
    for (std::int64_t padding : {0, 1, 300}) {
      CAPTURE(batch);
      CAPTURE(padding);
      CHECK(emulate_lists(append(random, random_numbers(random, batch, 0, batch > 100 ? 3 : 40), padding)) == "");
    }
}

TEST_CASE("indices: positions know empty sequences first, last, in a row and alone") {
  auto random = random_for("empty sequences");
  for (const Numbers& appended :
       {Numbers{0, 0, 5}, Numbers{5, 0, 0}, Numbers{1, 0, 0, 0, 1}, Numbers{0}, Numbers{0, 0, 0}})
    for (std::int64_t padding : {0, 9}) CHECK(emulate_lists(append(random, appended, padding)) == "");
}

TEST_CASE("indices: one long prefill beside many decodes") {
  auto random = random_for("prefill");
  Numbers appended(600, 1);
  appended[300] = 5000;
  CHECK(emulate_lists(append(random, appended, 77)) == "");
}

TEST_CASE("indices: fewer outputs than tokens are a prefix, and a batch that starts late leaves what is before it") {
  CHECK(emulate_lists(PositionsCase{{0, 10, 20}, {10, 30}, 13}) == "");
  CHECK(emulate_lists(PositionsCase{{4, 4, 9}, {0, 30}, 20}) == "");
}

TEST_CASE("indices: a sequence shorter than what it appends has negative positions") {
  CHECK(emulate_lists(PositionsCase{{0, 8, 9}, {3, 1}, 12}) == "");
}

TEST_CASE("indices: lengths follow from pages, and a sequence without pages has none") {
  auto random = random_for("pages to lengths");
  for (std::size_t batch : {0, 1, 3, 256, 700})
    for (std::int64_t page : {1, 5, 16, 64, 1000}) {
      SeqLensCase c{indptr_of(random_numbers(random, batch, 0, 9)), random_numbers(random, batch, 1, page), page};
      CHECK(emulate_lists(c) == "");
    }
  CHECK(emulate_lists(SeqLensCase{{0, 0, 3, 3, 1 << 17}, {7, 7, 7, 7}, 16000}) == "");
}

TEST_CASE("indices: slots of every form and type, tokens that go nowhere among them") {
  auto random = random_for("slots");
  for (auto form : {indices::Pages::table, indices::Pages::indices})
    for (Elem from : {Elem::i32, Elem::i64})
      for (Elem to : {Elem::i32, Elem::i64})
        for (std::int64_t page : {1, 5, 16, 61, 64}) {
          SlotsCase c{{}, {}, page, form, from, to};
          for (std::int64_t b = 0; b < 20; ++b) {
            std::int64_t length = b % 7 == 3 ? 0 : 1 + static_cast<std::int64_t>(random() % 200);
            c.pages.push_back(random_numbers(random, static_cast<std::size_t>((length + page - 1) / page), 0, 9999));
            for (int i = 0; i < 30 && length > 0; ++i) {
              c.tokens.sequence.push_back(random() % 8 == 0 ? -1 : b);
              auto position = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(length));
              c.tokens.position.push_back(random() % 8 == 0 ? -3 : position);
            }
          }
          for (std::size_t b = 0; b < 20; b += 5)  // a page that a sequence has no more
            if (!c.pages[b].empty()) c.pages[b].back() = -1;
          CAPTURE(page);
          CHECK(emulate_lists(c) == "");
        }
}

TEST_CASE("indices: slots beyond 2^31 are exact in 64 bits") {
  SlotsCase c{{{0, 0, 1}, {0, 1048575, 5}}, {{2147483647}, {2147483646}}, 1 << 20};
  CHECK(emulate_lists(c) == "");
  c.form = indices::Pages::indices;
  CHECK(emulate_lists(c) == "");
}

TEST_CASE("indices: no tokens and no sequences launch nothing") {
  auto launches = [] { return emulated().context().statistics().launches; };
  std::uint64_t before = launches();
  CHECK(emulate_lists(PositionsCase{{0, 3}, {3}, 0}) == "");
  CHECK(emulate_lists(SeqLensCase{{0}, {}, 16}) == "");
  CHECK(emulate_lists(SlotsCase{{}, {{1}}, 16}) == "");
  CHECK(emulate_lists(StartsCase{}) == "");
  CHECK(launches() == before);
  CHECK(emulate_lists(StartsCase{{}, true}) == "");  // the sum of none
  CHECK(launches() == before + 1);
}

TEST_CASE("indices: running sums of every type, any number of them, with and without the total") {
  auto random = random_for("starts");
  for (Elem from : {Elem::i32, Elem::i64})
    for (Elem to : {Elem::i32, Elem::i64})
      for (std::size_t batch : {1, 2, 31, 32, 33, 127, 128, 129, 1000, 4095, 4096, 4097, 20000})
        for (bool total : {false, true}) {
          CAPTURE(batch);
          CHECK(emulate_lists(StartsCase{random_numbers(random, batch, -2, 1000), total, from, to}) == "");
        }
}

TEST_CASE("indices: sums that 32 bits cannot hold stop at the largest number, those of 64 bits do not") {
  auto random = random_for("large sums");
  for (Elem from : {Elem::i32, Elem::i64})
    for (Elem to : {Elem::i32, Elem::i64})
      for (std::int64_t most : {1 << 22, 1 << 26, INT32_MAX}) {
        StartsCase c{random_numbers(random, 9000, most / 2, most), true, from, to};
        CHECK(emulate_lists(c) == "");
      }
  Numbers lengths{INT32_MAX, 1, INT32_MAX, 5};
  CHECK(emulate_lists(StartsCase{lengths, true, Elem::i32, Elem::i32}) == "");
  lengths[1] = INT64_MAX, lengths[3] = INT64_MIN;
  CHECK(emulate_lists(StartsCase{lengths, true, Elem::i64, Elem::i64}) == "");
}

TEST_CASE("indices: a thousand random batches compile one kernel each") {
  Context& context = emulated().context();
  auto random = random_for("one compile");
  auto compile_each = [&] {
    PositionsCase p = append(random, random_numbers(random, random() % 20, 0, 5), 3);
    CHECK(run_case(context, p) == "");
    Numbers pages = random_numbers(random, random() % 20, 0, 5);
    CHECK(run_case(context, SeqLensCase{indptr_of(pages), Numbers(pages.size(), 1),
                                        1 + static_cast<std::int64_t>(random() % 90)}) == "");
    CHECK(run_case(context, StartsCase{pages}) == "");
  };
  compile_each();
  std::uint64_t before = context.statistics().compiles;
  for (int i = 0; i < 1000; ++i) compile_each();
  CHECK(context.statistics().compiles == before);
}

}  // namespace pagejit::tests
