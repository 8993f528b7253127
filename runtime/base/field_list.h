// How a struct declares its fields, and how others walk over the list. fields.h has what is made of it.
//
//   struct Spec {
//     int head_dim = 128;
//     static constexpr auto fields() { return std::tuple{field<&Spec::head_dim>("head_dim", AtLeast{1})}; }
//   };
#pragma once
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "runtime/base/checks.h"

namespace pagejit {

namespace detail {
template <class M>
struct MemberOf;
template <class T, class S>
struct MemberOf<T S::*> {
  using Type = T;
  using Owner = S;
};
template <auto Member>
struct Constant {};
}  // namespace detail

template <auto Member, class Check>
struct Field {
  using Type = typename detail::MemberOf<decltype(Member)>::Type;
  using Owner = typename detail::MemberOf<decltype(Member)>::Owner;
  using Id = detail::Constant<Member>;  // the same type for the same member
  static constexpr auto member = Member;

  std::string_view name;
  Check check;
};

template <auto Member, class Check = Anything>
constexpr auto field(std::string_view name, Check check = {}) {
  return Field<Member, Check>{name, check};
}

namespace detail {
/// Stands for a member of any type in a brace initialiser that is never evaluated.
template <class Owner>
struct AnyMember {
  template <class T>
  requires(!std::is_same_v<T, Owner>) constexpr operator T() const;
};

template <class S, class... Any>
constexpr std::size_t count_members() {
  if constexpr (requires { S{Any{}..., AnyMember<S>{}}; })
    return count_members<S, Any..., AnyMember<S>>();
  else
    return sizeof...(Any);
}

template <class Tuple, std::size_t... I>
constexpr bool distinct(const Tuple& list, std::index_sequence<I...>) {
  auto once = [&](auto index) {
    constexpr std::size_t i = decltype(index)::value;
    using Id = typename std::tuple_element_t<i, Tuple>::Id;
    int members = (0 + ... + (std::is_same_v<Id, typename std::tuple_element_t<I, Tuple>::Id> ? 1 : 0));
    int names = (0 + ... + (std::get<I>(list).name == std::get<i>(list).name ? 1 : 0));
    return members == 1 && names == 1;
  };
  return (true && ... && once(std::integral_constant<std::size_t, I>{}));
}
}  // namespace detail

/// The list of S, which names each member once: a member that was added and not listed does not compile.
template <class S>
constexpr auto field_list() {
  static_assert(std::is_aggregate_v<S>, "members are counted through aggregate initialisation");
  constexpr auto list = S::fields();
  using List = std::remove_const_t<decltype(list)>;
  constexpr std::size_t size = std::tuple_size_v<List>;
  static_assert(detail::count_members<S>() == size, "a member is missing from fields(), or listed twice");
  static_assert(detail::distinct(list, std::make_index_sequence<size>{}), "fields() repeats a member or a name");
  return list;
}

/// Calls visit(name, member, field) for each field in the order of the list. `s` may be const.
template <class S, class Visit>
constexpr void for_each_field(S& s, Visit&& visit) {
  std::apply([&](const auto&... f) { (visit(f.name, s.*(f.member), f), ...); }, field_list<std::remove_const_t<S>>());
}

template <class S>
constexpr std::size_t field_count = std::tuple_size_v<decltype(S::fields())>;

}  // namespace pagejit
