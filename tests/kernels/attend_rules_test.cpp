// What attention computes, on the emulator: one rule a test.
#include <doctest/doctest.h>

#include "tests/kernels/attend_case.h"
#include "tests/kernels/emulated.h"

namespace pagejit::tests {
namespace {

std::string emulate(const AttendCase& c) {
  return run_attend(emulated().context(), c, emulated().poison());
}

}  // namespace

TEST_CASE("attention: each head of each sequence sums its values, weighted by the softmax of its scores") {
  CHECK(emulate({.tuning = {.parts = 1}}) == "");
}

TEST_CASE("attention: a sequence that is split among teams comes to the same, whatever the split") {
  for (int parts : {2, 3, 7})
    CHECK(emulate({.lengths = {100, 0, 33, 1, 150}, .tuning = {.parts = parts, .least = 1}}) == "");
}

TEST_CASE("attention: MLA's V is the first part of K's row") {
  AttendCase c{.heads = 16, .kv_heads = 1, .dim_k = 576, .dim_v = 512, .joint = true, .lengths = {70, 33}};
  CHECK(emulate(c) == "");
}

}  // namespace pagejit::tests
