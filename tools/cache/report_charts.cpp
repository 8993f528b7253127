#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "tools/cache/charts.h"
#include "tools/cache/filter.h"
#include "tools/cache/occupancy.h"
#include "tools/cache/print.h"
#include "tools/cache/report_page.h"

namespace pagejit::cache_tool {
namespace {

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
               {"before that", INT64_MAX}};
  std::int64_t now = std::time(nullptr);
  int known = 0;
  for (const Listed& l : entries)
    if (l.at.used > 0) {
      ++known;
      ++std::find_if(std::begin(steps), std::end(steps), [&](const auto& s) {
          return now - l.at.used < s.below;
        })->count;
    }
  std::vector<Bar> bars;
  for (const auto& s : steps)
    if (known > 0) bars.push_back({s.label, double(s.count), std::to_string(s.count)});
  return bars;
}

Sums starting_with(const cache::Counters& counters, std::string_view start) {
  Sums sums;
  for (const auto& [name, count] : counters.totals)
    if (name.starts_with(start)) sums[name.substr(start.size())] = static_cast<double>(count);
  return sums;
}

}  // namespace

std::string report_charts(const std::vector<Listed>& entries, const cache::Counters& counters) {
  Sums bytes, causes;
  std::vector<Count> kernels;
  std::vector<int> registers, occupancies, shared, sizes;
  for (const Listed& l : entries) {
    std::string family = value_of(l, "family").value_or("?");
    kernels.push_back({family, l.request.target, 1});
    bytes[family] += static_cast<double>(l.at.bytes);
    sizes.push_back(static_cast<int>(l.at.bytes / 1024));
    shared.push_back(l.shared() / 1024);
    if (!l.cause.empty()) ++causes[l.cause];
    if (l.facts.registers >= 0) registers.push_back(l.facts.registers);
    if (auto o = occupancy_of(l.facts, l.request.target)) occupancies.push_back(o->percent);
  }
  const std::string not_assembled = entries.empty() ? "There are no kernels."
                                                    : "Not known: these kernels are stored as PTX, and the driver "
                                                      "counts when it makes machine code of them.";
  std::string none = "There are no kernels.";
  return "<h2>Kernels</h2>\n<section class=\"charts\">\n" + heat_table("Kernels by family and target", kernels) +
         bar_chart("Bytes by family", falling(bytes, true)) + bar_chart("Last used within", ages(entries)) +
         bar_chart("Why they were made", falling(causes, false)) +
         "</section>\n<h2>What they need</h2>\n<section class=\"charts\">\n" +
         column_chart("Registers", steps_of(registers, 8), "registers a thread", not_assembled) +
         column_chart("Theoretical occupancy", steps_of(occupancies, 10), "percent of a multiprocessor's warps",
                      not_assembled) +
         column_chart("Shared memory", steps_of(shared, 1), "KiB a block", none) +
         column_chart("Size", steps_of(sizes, 1), "KiB on disk", none) +
         "</section>\n<h2>How they were asked for</h2>\n<section class=\"charts\">\n" +
         bar_chart("Hits by layer", falling(starting_with(counters, "hits."), false)) +
         bar_chart("Misses by cause", falling(starting_with(counters, "misses."), false)) + "</section>\n";
}

}  // namespace pagejit::cache_tool
