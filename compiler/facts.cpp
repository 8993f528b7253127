#include "compiler/facts.h"

#include <algorithm>
#include <numeric>

namespace pagejit {
namespace {

constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

// Saturating: an end of a range that leaves 64 bits is as good as unknown.
std::int64_t clamp(__int128 value) {
  return value <= lowest ? lowest : value >= highest ? highest : static_cast<std::int64_t>(value);
}

std::int64_t sum(std::int64_t a, std::int64_t b) {
  if (a == lowest || b == lowest) return lowest;
  if (a == highest || b == highest) return highest;
  return clamp(static_cast<__int128>(a) + b);
}

bool bounded(const Facts& f) {
  return f.lo != lowest && f.hi != highest;
}

}  // namespace

Facts Facts::exactly(std::int64_t value) {
  return {value, value, value};
}

Facts Facts::range(std::int64_t lo, std::int64_t hi, std::int64_t divisor) {
  return {divisor, lo, hi};
}

Facts Facts::of_bits(int bits) {
  if (bits >= 64) return {};
  return {1, -(std::int64_t{1} << (bits - 1)), (std::int64_t{1} << (bits - 1)) - 1};
}

bool Facts::fits(int bits) const {
  Facts all = of_bits(bits);
  return lo >= all.lo && hi <= all.hi;
}

Facts operator+(const Facts& a, const Facts& b) {
  return {std::gcd(a.divisor, b.divisor), sum(a.lo, b.lo), sum(a.hi, b.hi)};
}

Facts operator-(const Facts& a, const Facts& b) {
  auto minus = [](std::int64_t v) { return v == lowest ? highest : v == highest ? lowest : -v; };
  return {std::gcd(a.divisor, b.divisor), sum(a.lo, minus(b.hi)), sum(a.hi, minus(b.lo))};
}

Facts operator*(const Facts& a, const Facts& b) {
  __int128 product = static_cast<__int128>(a.divisor) * b.divisor;
  Facts r;
  // Past 2^30 nobody asks; the powers of two are what alignment lives on.
  r.divisor = product < 0 ? 1 : product > (std::int64_t{1} << 30) ? std::int64_t{1} << 30 : std::int64_t(product);
  if (product > (std::int64_t{1} << 30)) {
    std::int64_t twos = (a.divisor & -a.divisor);
    __int128 power = static_cast<__int128>(twos) * (b.divisor & -b.divisor);
    r.divisor = power > (std::int64_t{1} << 30) ? std::int64_t{1} << 30 : std::int64_t(power);
  }
  if (bounded(a) && bounded(b)) {
    __int128 ends[] = {static_cast<__int128>(a.lo) * b.lo, static_cast<__int128>(a.lo) * b.hi,
                       static_cast<__int128>(a.hi) * b.lo, static_cast<__int128>(a.hi) * b.hi};
    r.lo = clamp(*std::min_element(ends, ends + 4));
    r.hi = clamp(*std::max_element(ends, ends + 4));
  } else if (a.never_negative() && b.never_negative()) {
    r.lo = clamp(static_cast<__int128>(a.lo) * b.lo);
  }
  return r;
}

Facts min(const Facts& a, const Facts& b) {
  return {std::gcd(a.divisor, b.divisor), std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
}

Facts max(const Facts& a, const Facts& b) {
  return {std::gcd(a.divisor, b.divisor), std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
}

Facts either(const Facts& a, const Facts& b) {
  return {std::gcd(a.divisor, b.divisor), std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
}

Facts divide(const Facts& a, std::int64_t d) {
  std::int64_t divisor = a.divisor % d == 0 ? a.divisor / d : 1;
  return {divisor, a.lo / d, a.hi == highest ? highest : a.hi / d};
}

Facts remainder(const Facts& a, std::int64_t d) {
  return {std::gcd(a.divisor, d), 0, std::min(a.hi, d - 1)};
}

std::int64_t alignment(const Facts& facts, std::int64_t offset, std::int64_t limit) {
  std::int64_t g = std::gcd(std::gcd(facts.divisor, offset), limit);
  return g & -g;
}

}  // namespace pagejit
