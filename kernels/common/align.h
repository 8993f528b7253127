// The alignment class of a call: the one property that is read off run-time values, and it has four values.
#pragma once
#include <array>
#include <string_view>
#include <utility>

#include "runtime/base/elem.h"

namespace pagejit {

/// What every pointer, and every stride in bytes, is a multiple of. `elem` promises the element's own size only.
enum class Align : unsigned char { a16, a8, a4, elem };

constexpr auto enum_names(Align) {
  return std::array<std::pair<Align, std::string_view>, 4>{
      {{Align::a16, "16"}, {Align::a8, "8"}, {Align::a4, "4"}, {Align::elem, "elem"}}};
}

/// The promise in bytes, for a tensor of `e`: never less than one element.
constexpr int promised_bytes(Align align, Elem e) {
  int bytes_promised = align == Align::elem ? 1 : 16 >> static_cast<int>(align);
  return bytes_promised > bytes(e) ? bytes_promised : bytes(e);
}

}  // namespace pagejit
