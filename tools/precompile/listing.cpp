#include "tools/precompile/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/registry.h"
#include "tools/model_config.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::precompile {

std::string list_as_text() {
  std::string text;
  for (const Family& family : families()) {
    text += fmt::format("{}: {}\n", family.name, family.summary);
    std::vector<FieldHelp> fields = family.fields();
    std::size_t names = 0, values = 0;
    for (const FieldHelp& f : fields) {
      names = std::max(names, f.name.size() + 1 + f.fallback.size());
      values = std::max(values, f.expected.size());
    }
    for (const FieldHelp& f : fields)
      text += fmt::format("  {:<{}}  {:<{}}  {}\n", f.name + "=" + f.fallback, names, f.expected, values, f.help);
  }
  text += fmt::format("\na spec line is the family and any of its fields; the values above are the defaults\n");
  text += fmt::format("targets: {}\nmodels:  {}\n", fmt::join(target_names(), " "), fmt::join(model_names(), " "));
  return text;
}

std::string list_as_json() {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const Family& family : families()) {
    Json fields = Json::array();
    for (const FieldHelp& f : family.fields())
      fields.push_back({{"name", f.name}, {"default", f.fallback}, {"expected", f.expected}, {"help", f.help}});
    all.push_back({{"family", family.name}, {"summary", family.summary}, {"fields", fields}});
  }
  return Json{{"schema", 1}, {"families", all}, {"targets", target_names()}, {"models", model_names()}}.dump(2) + "\n";
}

}  // namespace pagejit::precompile
