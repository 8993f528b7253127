#include <fmt/format.h>

#include "runtime/base/settings.h"
#include "runtime/cache/root.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

int config(const Common& common) {
  const Settings& settings = Settings::process();
  std::string root = common.cache.empty() ? cache::private_root(settings) : common.cache;
  Json rows = Json::array();
  if (!common.json) fmt::print("{:<30} {:<12} {}\n", "setting", "from", "value");
  for (const SettingRow& row : setting_rows()) {
    std::string value = value_of(settings, row);
    // A variable that says what is the default anyway changes nothing, and is not told apart from none.
    const char* source = value == row.fallback ? "default" : "environment";
    rows.push_back({{"name", row.name},
                    {"value", value},
                    {"default", row.fallback},
                    {"from", source},
                    {"values", row.values},
                    {"meaning", row.meaning}});
    if (!common.json) fmt::print("{:<30} {:<12} {}\n", row.name, source, value.empty() ? "–" : value);
  }
  if (common.json)
    print_json({{"root", root},
                {"root_from", common.cache.empty() ? "settings" : "--cache"},
                {"settings", rows},
                {"warnings", settings.warnings}});
  else
    fmt::print("private root: {}\n", root.empty() ? "none, kernels are kept in memory only" : root);
  return 0;
}

}  // namespace

Body declare_config(CLI::App&, const Common& common) {
  return [&common] { return config(common); };
}

}  // namespace pagejit::cache_tool
