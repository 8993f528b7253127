#include "kernels/registry.h"

#include <fmt/format.h>

#include "kernels/families.h"
#include "pagejit_generator.h"
#include "runtime/base/error.h"
#include "runtime/base/fields.h"

namespace pagejit {
namespace {

template <class Spec>
std::vector<FieldHelp> help_for(std::string_view (*text)(std::string_view)) {
  std::vector<FieldHelp> all;
  Spec fallback;
  for_each_field(fallback, [&](std::string_view name, const auto& value, const auto& field) {
    all.push_back({std::string(name), detail::print_value(value), expected_text(field), std::string(text(name))});
  });
  return all;
}

template <class Spec>
void check_value(const std::string& field, const std::string& value) {
  Spec s;
  set_field(s, field, value);
  check_fields(s);
}

template <class Spec>
std::string canonical_line(std::string_view family, std::string_view line) {
  Spec s = parse_spec<Spec>(line);
  check(s);
  return spec_line(family, s);
}

template <class Spec>
std::vector<std::string> lines(std::string_view family, const std::vector<Spec>& specs) {
  std::vector<std::string> all;
  for (const Spec& s : specs) all.push_back(spec_line(family, s));
  return all;
}

#define PJ_FAMILY(id)                                                               \
  Family{#id,                                                                       \
         id::summary(),                                                             \
         [](std::string_view line) { return canonical_line<id::Spec>(#id, line); }, \
         [] { return help_for<id::Spec>(id::field_help); },                         \
         check_value<id::Spec>,                                                     \
         [] { return abi_text<id::Params>(); },                                     \
         [](const ModelShape& model) { return lines(#id, id::specs_for_model(model)); }},

}  // namespace

std::span<const Family> families() {
  static const Family all[] = {
#include "kernels/families.def"
  };
  return all;
}

const Family& family_of(std::string_view spec_line) {
  std::string_view first = spec_line.substr(0, spec_line.find(' '));
  std::string names;
  for (const Family& family : families()) {
    if (family.name == first) return family;
    names += (names.empty() ? "" : ", ") + std::string(family.name);
  }
  fail(Code::argument,
       fmt::format("a spec line starts with the kernel's family, but this one with '{}'; expected one of {}", first,
                   names),
       {{"spec", std::string(spec_line)}});
}

Request request_for(std::string_view spec_line, const std::string& target) {
  const Family& family = family_of(spec_line);
  return make_request(family.canonical(spec_line), target, family.abi(), generator_hash(family.name));
}

}  // namespace pagejit
