#include "compiler/facts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/seed.h"

namespace pagejit {
namespace {

/// Some values, and facts that hold of all of them.
struct Sample {
  std::vector<std::int64_t> values;
  Facts facts;
};

bool holds(const Facts& f, std::int64_t v) {
  bool divisible = f.divisor == 0 ? v == 0 : v % f.divisor == 0;
  return divisible && v >= f.lo && v <= f.hi;
}

Sample sample(std::mt19937_64& random, bool positive) {
  Sample s;
  std::int64_t step = std::int64_t{1} << random() % 6;
  std::int64_t lo = positive ? 0 : -100;
  for (int i = 0; i < 20; ++i) s.values.push_back((static_cast<std::int64_t>(random() % 200) + lo) * step);
  auto [least, most] = std::minmax_element(s.values.begin(), s.values.end());
  s.facts = Facts::range(*least, *most, step);
  return s;
}

template <class Combine, class Compute>
void never_claims_too_much(bool positive, Combine combine, Compute compute) {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 300; ++round) {
    Sample a = sample(random, positive), b = sample(random, positive);
    Facts claimed = combine(a.facts, b.facts);
    for (std::int64_t x : a.values)
      for (std::int64_t y : b.values) REQUIRE_MESSAGE(holds(claimed, compute(x, y)), x, " ", y);
  }
}

}  // namespace

TEST_CASE("facts: a sum's facts hold for every sum") {
  never_claims_too_much(
      false, [](Facts a, Facts b) { return a + b; }, [](auto x, auto y) { return x + y; });
}

TEST_CASE("facts: a difference's facts hold for every difference") {
  never_claims_too_much(
      false, [](Facts a, Facts b) { return a - b; }, [](auto x, auto y) { return x - y; });
}

TEST_CASE("facts: a product's facts hold for every product") {
  never_claims_too_much(
      false, [](Facts a, Facts b) { return a * b; }, [](auto x, auto y) { return x * y; });
}

TEST_CASE("facts: a quotient's and a remainder's facts hold for every divisor") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 300; ++round) {
    Sample a = sample(random, true);
    for (std::int64_t d : {1, 2, 3, 7, 8, 64, 80, 576})
      for (std::int64_t x : a.values) {
        REQUIRE(holds(divide(a.facts, d), x / d));
        REQUIRE(holds(remainder(a.facts, d), x % d));
      }
  }
}

TEST_CASE("facts: products of multiples of 8 and of 16 are known to be multiples of 128") {
  CHECK((Facts::range(0, 1 << 20, 8) * Facts::range(0, 1 << 20, 16)).divisor == 128);
}

TEST_CASE("facts: a range that leaves 64 bits is unknown, not wrong") {
  Facts big = Facts::range(0, std::int64_t{1} << 62);
  CHECK((big + big).hi == std::numeric_limits<std::int64_t>::max());
  CHECK((big * big).never_negative());
}

TEST_CASE("facts: an alignment is a power of two that divides the value and the offset") {
  CHECK(alignment(Facts::range(0, 1000, 48), 0, 16) == 16);
  CHECK(alignment(Facts::range(0, 1000, 48), 8, 16) == 8);
  CHECK(alignment(Facts::exactly(0), 0, 16) == 16);
  CHECK(alignment(Facts::range(0, 1000, 6), 0, 16) == 2);
}

}  // namespace pagejit
