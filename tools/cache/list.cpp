#include <fmt/format.h>

#include "runtime/base/text.h"
#include "tools/cache/command.h"
#include "tools/cache/filter.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

std::string as_text(const std::vector<Listed>& entries) {
  std::string text = fmt::format("{:<16}  {:<8} {:>5} {:>6} {:>6} {:>8}  {:<16}  {}\n", "key", "target", "regs",
                                 "spills", "shared", "bytes", "last use (UTC)", "spec");
  for (const Listed& l : entries)
    text += fmt::format("{:<16}  {:<8} {:>5} {:>6} {:>6} {:>8}  {:<16}  {}{}\n", hex64(l.request.key_id),
                        l.request.target, known(l.facts.registers), known(l.spills()), l.shared(), l.at.bytes,
                        time_text(l.at.used), l.request.spec_line, l.pinned ? "  (pinned)" : "");
  return text;
}

Json as_json(const std::vector<Listed>& entries, const std::vector<Damage>& damaged) {
  Json all = Json::array();
  for (const Listed& l : entries) all.push_back(entry_json(l));
  return {{"entries", all}, {"damaged", damage_json(damaged)}};
}

struct Options {
  std::vector<std::string> filters;
  std::string sort;
};

int list(const Common& common, const Options& options) {
  Store store(common.cache);
  std::vector<Damage> damaged;
  std::vector<Listed> entries = store.list(damaged);
  keep_matching(entries, options.filters);
  if (!options.sort.empty()) sort_by(entries, options.sort);
  if (common.json)
    print_json(as_json(entries, damaged));
  else
    fmt::print("{}", as_text(entries));
  return complain(damaged);
}

}  // namespace

Body declare_list(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("filter", options->filters, "such as kv=int8, 'spills>0', 'age>7d', flatten, sm_90a; all must match")
      ->type_name("FILTER");
  app.add_option("--sort", options->sort, "registers, spills, shared, bytes, age, any field; -bytes: greatest first")
      ->type_name("FIELD");
  return [options, &common] { return list(common, *options); };
}

}  // namespace pagejit::cache_tool
