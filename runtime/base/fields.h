// What follows from a struct's field list (field_list.h): the spec line, its parser and the checks.
// params.h has what follows from the list of a Params struct.
#pragma once
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/base/field_list.h"
#include "runtime/base/params.h"
#include "runtime/base/text.h"

namespace pagejit {

/// A line taken apart: the family, then each "name=value" with the value unescaped.
struct SpecWords {
  std::string family;
  std::vector<NameValue> values;
};
/// Throws Error(argument) at an empty line, a word without '=' and a name given twice.
SpecWords parse_words(std::string_view line);
/// The other way, names sorted and values escaped.
std::string print_words(SpecWords words);

namespace detail {
template <class T>
std::string print_value(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [known, name] : enum_names(T{}))
      if (known == value) return std::string(name);
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else {
    static_assert(std::is_integral_v<T>, "a Spec holds integers, booleans, enumerations and texts");
    return std::to_string(value);  // a boolean prints as 0 or 1
  }
}

template <class T>
std::optional<T> parse_integer(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool canonical = error == std::errc{} && end == text.data() + text.size() && std::to_string(value) == text;
  return canonical ? std::optional(value) : std::nullopt;
}

template <class T>
std::optional<T> parse_value(std::string_view text) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [known, name] : enum_names(T{}))
      if (name == text) return known;
    return std::nullopt;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text == "0" || text == "1") return text == "1";
    return std::nullopt;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else {
    return parse_integer<T>(text);
  }
}

template <class T>
std::vector<std::string_view> value_names() {
  std::vector<std::string_view> names;
  if constexpr (std::is_enum_v<T>)
    for (const auto& [known, name] : enum_names(T{})) names.push_back(name);
  return names;
}

/// Throw Error(argument): texts shared by all instances.
[[noreturn]] void bad_value(std::string_view field, const std::string& value, const std::string& expected);
[[noreturn]] void unknown_field(const std::string& field, const std::vector<std::string_view>& known);
}  // namespace detail

/// What the field's value may be, in words: "one of f32, f16", "at least 1", "0 or 1", "an integer".
template <auto Member, class Check>
std::string expected_text(const Field<Member, Check>& field) {
  using T = typename Field<Member, Check>::Type;
  if constexpr (std::is_enum_v<T>) return "one of " + join(detail::value_names<T>(), ", ");
  if constexpr (std::is_same_v<T, bool>) return "0 or 1";
  if constexpr (std::is_same_v<T, std::string>) return "a text";
  std::string expected = field.check.expected();
  return expected.empty() ? "an integer" : expected;
}

/// Throws Error(argument): "head_dim is 0; expected at least 1".
template <class S>
void check_fields(const S& s) {
  for_each_field(s, [](std::string_view name, const auto& value, const auto& field) {
    using T = std::remove_cvref_t<decltype(value)>;
    bool ok = true;
    if constexpr (std::is_enum_v<T>)
      ok = detail::parse_value<T>(detail::print_value(value)).has_value();
    else if constexpr (std::is_integral_v<T>)
      ok = field.check.ok(static_cast<long long>(value));
    if (!ok) detail::bad_value(name, detail::print_value(value), expected_text(field));
  });
}

/// "flatten align=16 head_dim=128 kv=bf16": every field, sorted by name. parse_spec reads it back.
template <class S>
std::string spec_line(std::string_view family, const S& s) {
  SpecWords words{std::string(family), {}};
  for_each_field(s, [&](std::string_view name, const auto& value, const auto&) {
    words.values.emplace_back(name, detail::print_value(value));
  });
  return print_words(std::move(words));
}

template <class S>
std::vector<std::string_view> field_names() {
  return std::apply([](const auto&... f) { return std::vector<std::string_view>{f.name...}; }, field_list<S>());
}

/// Sets the field called `name`. Throws Error(argument) for an unknown field or a value that it cannot have.
template <class S>
void set_field(S& s, const std::string& name, const std::string& text) {
  bool found = false;
  for_each_field(s, [&](std::string_view known, auto& member, const auto& field) {
    if (known != name) return;
    auto value = detail::parse_value<std::remove_cvref_t<decltype(member)>>(text);
    if (!value) detail::bad_value(known, text, expected_text(field));
    member = *value;
    found = true;
  });
  if (!found) detail::unknown_field(name, field_names<S>());
}

/// Fields in any order; those that the line leaves out keep the struct's default. The family is not looked at.
template <class S>
S parse_spec(std::string_view line) {
  S s{};
  for (const auto& [name, value] : parse_words(line).values) set_field(s, name, value);
  check_fields(s);
  return s;
}

}  // namespace pagejit
