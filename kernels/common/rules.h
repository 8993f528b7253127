// What the rules of Specs and the shapes of launches are written with, in every family.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/elem.h"
#include "runtime/base/error.h"

namespace pagejit {

/// Throws Error(argument): "page is 0; expected at least 1", of a Spec's field.
inline void need(bool ok, std::string_view field, std::string_view value, std::string_view expected) {
  if (!ok)
    fail(Code::argument, fmt::format("{} is {}; expected {}", field, value, expected), {{"field", std::string(field)}});
}

/// The word for a value of an enumeration in spec lines and messages.
template <class E>
constexpr std::string_view name_of(E e) {
  return enum_names(e)[static_cast<std::size_t>(e)].second;
}

constexpr bool is_model_float(Elem e) {
  return e == Elem::f16 || e == Elem::bf16 || e == Elem::f32;
}
constexpr bool is_index(Elem e) {
  return e == Elem::i32 || e == Elem::i64;
}

template <class T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// ceil(2^32 / d): n div d is n · that >> 32, as long as n · d < 2^32. Divides in 32 bits, where it costs half.
constexpr std::int64_t reciprocal(std::uint32_t d) {
  return std::int64_t{0xffffffffu / d} + 1;
}

}  // namespace pagejit
