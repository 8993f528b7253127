#include "tools/pages/tree.h"

#include <algorithm>

#include "kernels/registry.h"
#include "tools/model_config.h"
#include "tools/precompile/output.h"
#include "tools/precompile/plan.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::pages {
namespace {

Option option_of(const CLI::Option& from) {
  Option option;
  for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
  for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  if (option.names.empty()) option.place = from.get_name(true);
  if (from.get_items_expected_max() > 0) {
    // "INT:INT in [1 - 1024]": the check stands behind the name.
    option.value = from.get_type_name().substr(0, from.get_type_name().find(':'));
  }
  option.help = from.get_description();
  option.fallback = from.get_default_str();
  if (option.fallback.starts_with('[')) option.fallback = option.fallback.substr(1, option.fallback.size() - 2);
  option.required = from.get_required();
  option.several = from.get_items_expected_max() > 1;
  return option;
}

std::vector<std::string> field_words() {
  std::vector<std::string> words{"registers", "spills", "shared", "bytes", "age"};
  for (const Family& family : families())
    for (const FieldHelp& field : family.fields())
      if (std::find(words.begin(), words.end(), field.name) == words.end()) words.push_back(field.name);
  return words;
}

std::vector<std::string> family_words() {
  std::vector<std::string> words;
  for (const Family& family : families()) words.emplace_back(family.name);
  return words;
}

struct Value {
  const char* name;
  std::vector<std::string> (*words)();
  Paths paths;
};
const Value values[] = {
    {"DIR", nullptr, Paths::folders},
    {"FILE", nullptr, Paths::files},
    {"CACHE", nullptr, Paths::files},  // a folder or a bundle
    {"MODEL", model_names, Paths::files},
    {"TARGET", precompile::target_names, Paths::none},
    {"QUANT", precompile::quant_names, Paths::none},
    {"PART", [] { return precompile::emit_kinds(); }, Paths::none},
    {"DEVICE",
     [] {
       return std::vector<std::string>{"auto", "cuda", "emulator"};
     },
     Paths::none},
    {"FIELD", field_words, Paths::none},
    {"FILTER", family_words, Paths::none},
};

const Value* find(const std::string& name) {
  auto same = [&](const Value& v) { return v.name == name; };
  const Value* found = std::find_if(std::begin(values), std::end(values), same);
  return found == std::end(values) ? nullptr : found;
}

}  // namespace

Command tree_of(const CLI::App& app) {
  Command command{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) command.options.push_back(option_of(*option));  // else it is hidden
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    command.commands.push_back(tree_of(*sub));
  return command;
}

std::vector<std::string> words_of(const std::string& value) {
  const Value* found = find(value);
  return found && found->words ? found->words() : std::vector<std::string>{};
}

Paths paths_of(const std::string& value) {
  const Value* found = find(value);
  return found ? found->paths : Paths::none;
}

}  // namespace pagejit::pages
