// What attention computes, on the emulator: one rule a test.
#include <doctest/doctest.h>

#include "tests/kernels/attend_case.h"
#include "tests/kernels/emulated.h"
#include "tests/kernels/grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

std::string result_of(const AttendCase& c) {
  return run_attend(emulated().context(), c, emulated().poison());
}

}  // namespace

TEST_CASE("attention: each head of each sequence sums its values, weighted by the softmax of its scores") {
  CHECK(result_of({.tuning = {.parts = 1}}) == "");
}

TEST_CASE("attention: a sequence that is split among teams comes to the same, whatever the split") {
  for (int parts : {2, 3, 7})
    CHECK(result_of({.lengths = {100, 0, 33, 1, 150}, .tuning = {.parts = parts, .least = 1}}) == "");
}

TEST_CASE("attention: a sequence in more parts than are added up at once comes to the same") {
  for (auto [length, parts] : {std::pair{2300, 70}, {700, 20}, {200, 6}})
    CHECK(result_of({.heads = 4, .kv_heads = 1, .lengths = {length}, .tuning = {.parts = parts, .least = 1}}) == "");
  // Parts of 5 for each sequence on average, and 18 of the first one.
  CHECK(result_of({.heads = 4, .kv_heads = 1, .lengths = {600, 40, 40, 40}, .tuning = {.parts = 20, .least = 1}}) ==
        "");
}

TEST_CASE("attention: of more sequences than a warp has lanes each part finds its own") {
  std::vector<std::int64_t> lengths;
  auto random = random_for("attention: many sequences");
  for (int i = 0; i < 75; ++i) lengths.push_back(pick(random, 0, 90));
  for (int parts : {5, 40})
    CHECK(result_of({.heads = 2, .kv_heads = 1, .lengths = lengths, .tuning = {.parts = parts, .least = 2}}) == "");
}

TEST_CASE("attention: MLA's V is the first part of K's row") {
  AttendCase c{.heads = 16, .kv_heads = 1, .dim_k = 576, .dim_v = 512, .joint = true, .lengths = {70, 33}};
  CHECK(result_of(c) == "");
}

TEST_CASE("attention: few rows come to the same as one operand of products as they do as the other") {
  for (Quant quant : {Quant::none, Quant::fp8, Quant::int8, Quant::int4})
    for (int rows : {8, 16})
      for (int keys : {16, 32, 64}) {
        AttendCase c{.quant = quant, .heads = 6, .dim_k = 128, .dim_v = 128, .lengths = {70, 0, 133, 1}, .left = 90};
        c.sinks = c.alibi = true, c.softcap = 20, c.tuning.rows = rows, c.tuning.keys = keys;
        CAPTURE(c.text());
        CHECK(result_of(c) == "");
      }
}

TEST_CASE("attention: codes of every format come to what their decoded values would") {
  for (Quant quant : {Quant::fp8, Quant::int8, Quant::int4})
    for (Elem elem : {Elem::bf16, Elem::f16}) {
      AttendCase c{.elem = elem, .quant = quant, .dim_k = 128, .dim_v = 64, .lengths = {70, 0, 33, 1}};
      CAPTURE(c.text());
      CHECK(result_of(c) == "");
    }
  CHECK(result_of({.quant = Quant::fp8, .fp8 = Elem::e5m2, .dim_k = 96, .dim_v = 80}) == "");
  CHECK(result_of({.quant = Quant::int8, .meta = Elem::bf16, .dim_k = 80, .dim_v = 96}) == "");
  CHECK(result_of({.quant = Quant::int4, .meta = Elem::f32, .dim_k = 80, .dim_v = 128}) == "");
}

}  // namespace pagejit::tests
