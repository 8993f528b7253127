// What a field's value may be, beside its type. Each check answers one question and can say what it expects.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <type_traits>

namespace pagejit {

struct Anything {
  constexpr bool ok(long long) const { return true; }
  std::string expected() const { return {}; }
};

struct AtLeast {
  long long least;
  constexpr bool ok(long long value) const { return value >= least; }
  std::string expected() const { return "at least " + std::to_string(least); }
};

struct AtMost {
  long long most;
  constexpr bool ok(long long value) const { return value <= most; }
  std::string expected() const { return "at most " + std::to_string(most); }
};

struct Between {
  long long least, most;
  constexpr bool ok(long long value) const { return value >= least && value <= most; }
  std::string expected() const { return std::to_string(least) + " to " + std::to_string(most); }
};

template <std::size_t N>
struct OneOf {
  std::array<long long, N> values;
  template <class... T>
  requires(std::is_integral_v<T>&&...) constexpr OneOf(T... v) : values{static_cast<long long>(v)...} {}
  constexpr bool ok(long long value) const {
    for (long long v : values)
      if (v == value) return true;
    return false;
  }
  std::string expected() const {
    std::string text = "one of ";
    for (std::size_t i = 0; i < N; ++i) text += (i ? ", " : "") + std::to_string(values[i]);
    return text;
  }
};
template <class... T>
OneOf(T...) -> OneOf<sizeof...(T)>;

}  // namespace pagejit
