#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "runtime/cache/stats_log.h"
#include "tools/cache/charts.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cache/report_page.h"
#include "tools/files.h"

namespace pagejit::cache_tool {
namespace {

cache::Counters counters_of(const Store& store) {
  cache::Counters sum;
  if (!store.is_bundle())
    for (const cache::Counters& c : cache::read_stats(store.folder())) sum.add(c);
  return sum;
}

std::string tile(const std::string& value, const char* name, bool bad = false) {
  return fmt::format("<div{}><dt>{}</dt><dd>{}</dd></div>\n", bad ? " class=\"bad\"" : "", name, escaped(value));
}

std::string tiles(const std::vector<Listed>& entries, const std::vector<Damage>& damaged, const cache::Counters& c) {
  std::uint64_t bytes = 0, hits = 0;
  for (const Listed& l : entries) bytes += l.at.bytes;
  for (const auto& [name, count] : c.totals)
    if (name.starts_with("hits.")) hits += count;
  std::size_t spilling = static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [](const Listed& l) { return l.spills() > 0; }));
  return "<dl class=\"tiles\">\n" + tile(std::to_string(entries.size()), entries.size() == 1 ? "kernel" : "kernels") +
         tile(bytes_text(bytes), "on disk") + tile(std::to_string(hits), "hits") +
         tile(std::to_string(c["compiles"]), "compiles") +
         tile(c.compile_ms.count() ? fmt::format("{:.0f} ms", c.compile_ms.quantile(0.5)) : "–", "a compile, median") +
         tile(std::to_string(spilling), "kernels that spill", spilling > 0) +
         tile(std::to_string(damaged.size()), "damaged", !damaged.empty()) + "</dl>\n";
}

std::string damages(const std::vector<Damage>& damaged) {
  std::string html = damaged.empty() ? "" : "<h2>Damaged</h2>\n<ul>\n";
  for (const Damage& d : damaged)
    html += fmt::format("<li><code>{}</code> {}</li>\n", escaped(d.at.name), escaped(d.reason));
  return damaged.empty() ? "" : html + "</ul>\n";
}

std::string page(const Store& store, const std::vector<Listed>& entries, const std::vector<Damage>& damaged) {
  cache::Counters counters = counters_of(store);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>Kernel cache</title>\n{}</head>\n<body><header><h1>Kernel "
      "cache</h1><p>{} · {} UTC</p></header>\n<main>{}{}{}{}</main></body></html>\n",
      report_style(), escaped(store.path()), time_text(std::time(nullptr)), tiles(entries, damaged, counters),
      damages(damaged), report_charts(entries, counters), report_kernels(entries));
}

int report(const Common& common, const std::string& file) {
  Store store(common.cache);
  std::vector<Damage> damaged;
  std::vector<Listed> entries = store.list(damaged);
  write_whole_file(file, page(store, entries, damaged));
  if (common.json)
    print_json({{"html", file}, {"entries", entries.size()}, {"damaged", damage_json(damaged)}});
  else
    fmt::print("{}\n", file);
  return complain(damaged);
}

}  // namespace

Body declare_report(CLI::App& app, const Common& common) {
  auto file = std::make_shared<std::string>();
  app.add_option("--html", *file, "one page that needs no other file")->required()->type_name("FILE");
  return [file, &common] { return report(common, *file); };
}

}  // namespace pagejit::cache_tool
