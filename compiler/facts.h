// What is known of an integer before the kernel runs. Facts decide vector widths, signs of divisions and shared masks.
#pragma once
#include <cstdint>
#include <limits>

namespace pagejit {

/// Holds for every thread: the value is a multiple of `divisor` (0: it is zero) and lies in [lo, hi].
struct Facts {
  std::int64_t divisor = 1;
  std::int64_t lo = std::numeric_limits<std::int64_t>::min();
  std::int64_t hi = std::numeric_limits<std::int64_t>::max();

  static Facts exactly(std::int64_t value);
  static Facts range(std::int64_t lo, std::int64_t hi, std::int64_t divisor = 1);
  static Facts of_bits(int bits);  // any signed integer of so many bits

  bool never_negative() const { return lo >= 0; }
  bool fits(int bits) const;  // as a signed integer
  bool operator==(const Facts&) const = default;
};

Facts operator+(const Facts& a, const Facts& b);
Facts operator-(const Facts& a, const Facts& b);
Facts operator*(const Facts& a, const Facts& b);
Facts min(const Facts& a, const Facts& b);
Facts max(const Facts& a, const Facts& b);
Facts either(const Facts& a, const Facts& b);     // one of the two: a select, a loop's carried value
Facts divide(const Facts& a, std::int64_t d);     // a ≥ 0, d ≥ 1, rounding down
Facts remainder(const Facts& a, std::int64_t d);  // a ≥ 0, d ≥ 1
/// The largest power of two that divides the value and `limit`.
std::int64_t alignment(const Facts& facts, std::int64_t offset, std::int64_t limit);

}  // namespace pagejit
