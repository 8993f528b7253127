// What follows from the field list of a Params struct: each field's type, offset and size, and the abi text.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/base/device_ptr.h"
#include "runtime/base/field_list.h"
#include "runtime/base/tensor_map.h"

namespace pagejit {

enum class ParamType : unsigned char { i32, u32, i64, u64, f32, ptr, map };

constexpr std::string_view param_type_name(ParamType type) {
  constexpr std::string_view names[] = {"i32", "u32", "i64", "u64", "f32", "ptr", "map"};
  return names[static_cast<int>(type)];
}

struct ParamField {
  std::string_view name;
  ParamType type;
  int offset;  // bytes from the start of Params
  int size;    // bytes
};

namespace detail {
template <class T>
constexpr ParamType param_type() {
  if constexpr (std::is_same_v<T, DevicePtr>) return ParamType::ptr;
  if constexpr (std::is_same_v<T, float>) return ParamType::f32;
  if constexpr (std::is_same_v<T, TensorMap>) return ParamType::map;
  constexpr bool integer = std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);
  static_assert(integer || std::is_same_v<T, DevicePtr> || std::is_same_v<T, float> || std::is_same_v<T, TensorMap>,
                "a Params field is DevicePtr, TensorMap, float, or an integer of 4 or 8 bytes");
  if constexpr (sizeof(T) == 8) return std::is_signed_v<T> ? ParamType::i64 : ParamType::u64;
  return std::is_signed_v<T> ? ParamType::i32 : ParamType::u32;
}

template <class P>
auto make_param_fields() {
  static_assert(std::is_trivially_copyable_v<P> && std::is_standard_layout_v<P>, "Params travel as bytes");
  std::array<ParamField, field_count<P>> all{};
  P object{};
  std::size_t next = 0;
  for_each_field(object, [&](std::string_view name, auto& member, const auto&) {
    auto offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&object);
    all[next++] = {name, param_type<std::remove_cvref_t<decltype(member)>>(), static_cast<int>(offset),
                   static_cast<int>(sizeof(member))};
  });
  return all;
}
}  // namespace detail

/// The fields of P in the order of its list.
template <class P>
std::span<const ParamField> param_fields() {
  static const auto all = detail::make_param_fields<P>();
  return all;
}

/// Where in param_fields<P>() a member stands: param_index(&Params::out).
template <class P, class M>
int param_index(M P::*wanted) {
  int index = -1, next = 0;
  auto look = [&](const auto& f) {
    if constexpr (std::is_same_v<typename std::remove_cvref_t<decltype(f)>::Type, M>)
      if (f.member == wanted) index = next;
    ++next;
  };
  std::apply([&](const auto&... f) { (look(f), ...); }, field_list<P>());
  return index;
}

template <auto Member>
const ParamField& param_field() {
  using P = typename detail::MemberOf<decltype(Member)>::Owner;
  return param_fields<P>()[static_cast<std::size_t>(param_index(Member))];
}

/// "name type offset" a line, then "size N": all that a compiled kernel and its caller must agree on.
std::string abi_text(std::span<const ParamField> fields, std::size_t size);

template <class P>
std::string abi_text() {
  return abi_text(param_fields<P>(), sizeof(P));
}

}  // namespace pagejit
