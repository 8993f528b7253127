// The element types that caches, outputs and indices are made of.
#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace pagejit {

enum class Elem : unsigned char { f32, f16, bf16, e4m3, e5m2, i8, u8, i32, i64 };

namespace detail {
inline constexpr int elem_bytes[] = {4, 2, 2, 1, 1, 1, 1, 4, 8};  // inside bytes() it would be built anew at each call
}

/// Bytes of one element.
constexpr int bytes(Elem e) {
  return detail::elem_bytes[static_cast<int>(e)];
}

constexpr bool is_float(Elem e) {
  return e <= Elem::e5m2;
}

/// The names used in spec lines, messages and JSON; found by argument-dependent look-up (see fields.h).
constexpr auto enum_names(Elem) {
  return std::array<std::pair<Elem, std::string_view>, 9>{{{Elem::f32, "f32"},
                                                           {Elem::f16, "f16"},
                                                           {Elem::bf16, "bf16"},
                                                           {Elem::e4m3, "e4m3"},
                                                           {Elem::e5m2, "e5m2"},
                                                           {Elem::i8, "i8"},
                                                           {Elem::u8, "u8"},
                                                           {Elem::i32, "i32"},
                                                           {Elem::i64, "i64"}}};
}

}  // namespace pagejit
