#include <fmt/format.h>

#include "runtime/base/text.h"
#include "runtime/cache/classify.h"
#include "tools/cache/command.h"
#include "tools/cache/diff_lines.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {
using Changes = std::vector<cache::FieldChange>;

std::string as_text(std::string_view heading, const Changes& changes) {
  if (changes.empty()) return fmt::format("{}: equal\n", heading);
  std::string text = fmt::format("{}\n", heading);
  auto shown = [](const std::string& value) { return value.empty() ? std::string("(none)") : value; };
  for (const auto& c : changes) text += fmt::format("  {}: {} → {}\n", c.name, shown(c.cached), shown(c.wanted));
  return text;
}

Json as_json(const Changes& changes) {
  Json all = Json::array();
  for (const auto& c : changes) all.push_back({{"name", c.name}, {"a", c.cached}, {"b", c.wanted}});
  return all;
}

int diff(const Common& common, const std::vector<std::string>& keys) {
  Store store(common.cache);
  Listed a = store.find(keys[0]), b = store.find(keys[1]);
  Artifact of_a = store.open(a.at).value().artifact(), of_b = store.open(b.at).value().artifact();
  Changes key = cache::differences(of_a.key_text, of_b.key_text),
          producer = cache::differences(of_a.producer, of_b.producer),
          facts = cache::differences(a.facts.text(), b.facts.text());
  std::string ptx = changes_text(diff_lines(of_a.ptx, of_b.ptx));
  bool same_code = of_a.cubin == of_b.cubin;
  if (common.json) {
    print_json({{"a", a.at.name},
                {"b", b.at.name},
                {"key", as_json(key)},
                {"producer", as_json(producer)},
                {"facts", as_json(facts)},
                {"cubin_equal", same_code},
                {"ptx", ptx}});
    return 0;
  }
  fmt::print("{}{}{}cubin: {}\n", as_text("key", key), as_text("producer", producer), as_text("facts", facts),
             same_code ? "equal" : fmt::format("differs ({} and {} bytes)", of_a.cubin.size(), of_b.cubin.size()));
  fmt::print("{}{}", ptx.empty() ? "PTX: equal\n" : "PTX\n", ptx);
  return 0;
}

}  // namespace

Body declare_diff(CLI::App& app, const Common& common) {
  auto keys = std::make_shared<std::vector<std::string>>();
  app.add_option("keys", *keys, "two entries, each as for show")->type_name("KEY")->required()->expected(2);
  return [keys, &common] { return diff(common, *keys); };
}

}  // namespace pagejit::cache_tool
