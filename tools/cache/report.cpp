#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "runtime/base/text.h"
#include "runtime/cache/stats_log.h"
#include "tools/cache/charts.h"
#include "tools/cache/command.h"
#include "tools/cache/filter.h"
#include "tools/cache/occupancy.h"
#include "tools/cache/print.h"
#include "tools/files.h"

namespace pagejit::cache_tool {
namespace {

constexpr char style[] = R"(<style>
:root{color-scheme:light dark;--page:#fbfbf9;--ink:#22231f;--dim:#6b6d66;--line:#dcdcd4;--bar:#3d6fb4}
@media(prefers-color-scheme:dark){:root{--page:#181917;--ink:#e8e8e2;--dim:#a0a29a;--line:#3a3b37;--bar:#7aa7e6}}
body{background:var(--page);color:var(--ink);font:15px/1.45 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}header p{color:var(--dim);margin:.2rem 0 1.5rem;overflow-wrap:anywhere}
.tiles,.charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));margin:1.5rem 0}
.tiles div,figure{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;margin:0}
.tiles b{display:block;font-size:1.4rem}.tiles span,.none{color:var(--dim)}
figcaption{font-weight:600;margin-bottom:.5rem}svg{width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .label{text-anchor:end;fill:var(--dim)}rect{fill:var(--bar)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--dim)}
</style>)";

using Sums = std::map<std::string, double>;

std::vector<Bar> falling(const Sums& sums, bool bytes) {
  std::vector<Bar> bars;
  for (const auto& [label, value] : sums)
    bars.push_back(
        {label, value, bytes ? bytes_text(static_cast<std::uint64_t>(value)) : fmt::format("{:.0f}", value)});
  std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) { return a.value > b.value; });
  return bars;
}

std::vector<Bar> ages(const std::vector<Listed>& entries) {
  constexpr std::int64_t hour = 3600, day = 24 * hour;
  struct {
    const char* label;
    std::int64_t below;
    int count = 0;
  } steps[] = {{"the last hour", hour},
               {"the last day", day},
               {"the last week", 7 * day},
               {"the last 30 days", 30 * day},
               {"before", INT64_MAX}};
  std::int64_t now = std::time(nullptr);
  for (const Listed& l : entries)
    if (l.at.used > 0)
      ++std::find_if(std::begin(steps), std::end(steps), [&](const auto& s) {
          return now - l.at.used < s.below;
        })->count;
  std::vector<Bar> bars;
  for (const auto& s : steps) bars.push_back({s.label, double(s.count), std::to_string(s.count)});
  return bars;
}

cache::Counters counters_of(const Store& store) {
  cache::Counters sum;
  if (!store.is_bundle())
    for (const cache::Counters& c : cache::read_stats(store.folder())) sum.add(c);
  return sum;
}

std::string charts(const std::vector<Listed>& entries, const cache::Counters& counters) {
  Sums kernels, bytes, causes;
  std::vector<int> registers, occupancies, shared;
  for (const Listed& l : entries) {
    std::string family = value_of(l, "family").value_or("?");
    ++kernels[family + " " + l.request.target];
    bytes[family] += static_cast<double>(l.at.bytes);
    shared.push_back(l.shared() / 1024);
    if (l.facts.registers >= 0) registers.push_back(l.facts.registers);
    if (auto o = occupancy_of(l.facts, l.request.target)) occupancies.push_back(o->percent);
  }
  for (const auto& [name, count] : counters.totals)
    if (name.starts_with("misses.")) causes[name.substr(7)] = static_cast<double>(count);
  return "<section class=\"charts\">\n" + bar_chart("Kernels by family and target", falling(kernels, false)) +
         bar_chart("Bytes by family", falling(bytes, true)) +
         bar_chart("Registers a thread: kernels", histogram(registers, 16)) +
         bar_chart("Theoretical occupancy in percent: kernels", histogram(occupancies, 10)) +
         bar_chart("Shared memory in KiB: kernels", histogram(shared, 16)) +
         bar_chart("Last used within: kernels", ages(entries)) + bar_chart("Misses by cause", falling(causes, false)) +
         "</section>\n";
}

std::string tile(const std::string& value, const char* name) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>\n", escaped(value), name);
}

std::string tiles(const std::vector<Listed>& entries, const std::vector<Damage>& damaged, const cache::Counters& c) {
  std::uint64_t bytes = 0, hits = 0;
  for (const Listed& l : entries) bytes += l.at.bytes;
  for (const auto& [name, count] : c.totals)
    if (name.starts_with("hits.")) hits += count;
  std::size_t spilling = static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [](const Listed& l) { return l.spills() > 0; }));
  return "<section class=\"tiles\">\n" + tile(std::to_string(entries.size()), "kernels") +
         tile(bytes_text(bytes), "on disk") + tile(std::to_string(hits), "hits") +
         tile(std::to_string(c["compiles"]), "compiles") +
         tile(c.compile_ms.count() ? fmt::format("{:.0f} ms", c.compile_ms.quantile(0.5)) : "–", "a compile, median") +
         tile(std::to_string(spilling), "kernels that spill") + tile(std::to_string(damaged.size()), "damaged") +
         "</section>\n";
}

std::string table(const std::vector<Listed>& entries) {
  std::string html =
      "<div "
      "class=\"scroll\"><table><thead><tr><th>kernel</th><th>target</th><th>registers</th><th>spills</th><th>shared</"
      "th>"
      "<th>occupancy</th><th>limited by</th><th>bytes</th><th>last use</th><th>key</th></tr></thead><tbody>\n";
  for (const Listed& l : entries) {
    std::optional<Occupancy> o = occupancy_of(l.facts, l.request.target);
    html += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</"
        "td><td>{}</td></tr>\n",
        escaped(l.request.spec_line), escaped(l.request.target), known(l.facts.registers), known(l.spills()),
        l.shared(), o ? fmt::format("{} %", o->percent) : "–", o ? o->limiter : "–", l.at.bytes, time_text(l.at.used),
        hex64(l.request.key_id));
  }
  return html + "</tbody></table></div>\n";
}

std::string page(const Store& store, const std::vector<Listed>& entries, const std::vector<Damage>& damaged) {
  cache::Counters counters = counters_of(store);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Kernel cache</title>\n{}</head>\n<body><header><h1>Kernel cache</h1><p>{} "
      "· "
      "{} UTC</p></header>\n{}{}{}</body></html>\n",
      style, escaped(store.path()), time_text(std::time(nullptr)), tiles(entries, damaged, counters),
      charts(entries, counters), table(entries));
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
  app.add_option("--html", *file, "one page that needs no other file")->required();
  return [file, &common] { return report(common, *file); };
}

}  // namespace pagejit::cache_tool
