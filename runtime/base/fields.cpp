#include "runtime/base/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/error.h"

namespace pagejit {

SpecWords parse_words(std::string_view line) {
  std::vector<std::string_view> words = split(line, ' ');
  if (words.empty() || words[0].find('=') != std::string_view::npos)
    fail(Code::argument, "a spec line starts with the name of a kernel family",
         {{"line", std::string(line)}, {"expected", "family name=value name=value …"}});
  SpecWords parsed{std::string(words[0]), {}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto [name, value] = split_name_value(words[i]);
    for (const NameValue& before : parsed.values)
      if (before.first == name)
        fail(Code::argument, fmt::format("the field {} is given twice: {} and {}", name, before.second, value),
             {{"line", std::string(line)}});
    parsed.values.emplace_back(std::move(name), percent_unescape(value));
  }
  return parsed;
}

std::string print_words(SpecWords words) {
  std::sort(words.values.begin(), words.values.end());
  std::string line = std::move(words.family);
  for (const auto& [name, value] : words.values) line += fmt::format(" {}={}", name, percent_escape(value));
  return line;
}

namespace detail {
void bad_value(std::string_view field, const std::string& value, const std::string& expected) {
  fail(Code::argument, fmt::format("{} is {}; expected {}", field, value.empty() ? "empty" : value, expected));
}

void unknown_field(const std::string& field, const std::vector<std::string_view>& known) {
  Error::Fields fields;
  if (std::string meant = nearest(field, known); !meant.empty()) fields.emplace_back("nearest", meant);
  fields.emplace_back("known", join(known, ", "));
  fail(Code::argument, fmt::format("there is no field '{}'", field), std::move(fields));
}
}  // namespace detail

}  // namespace pagejit
