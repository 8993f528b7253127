#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "runtime/cache/stats_log.h"
#include "runtime/engine_options.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

/// What stays when nothing of it ever happened: a reader must see that it is none, not that it is unknown.
constexpr std::string_view always[] = {"compiles",    "assemblies", "waits",         "stores", "align_fallbacks",
                                       "quarantined", "evicted",    "remote_errors", "audits", "audit_failures"};

struct Holdings {
  cache::Usage usage;
  std::int64_t oldest = 0, newest = 0;
  std::size_t pinned = 0;
};

Holdings holdings_of(const Store& store) {
  std::vector<cache::EntryFile> files = store.files();
  Holdings all{cache::total_of(files, std::time(nullptr))};
  for (const cache::EntryFile& file : files) {
    all.oldest = all.oldest == 0 ? file.used : std::min(all.oldest, file.used);
    all.newest = std::max(all.newest, file.used);
  }
  if (!store.is_bundle()) all.pinned = cache::Pins::read(store.folder()).lines().size();
  return all;
}

cache::Counters sum_since(const Store& store, std::int64_t since) {
  cache::Counters sum;
  if (store.is_bundle()) return sum;
  for (const cache::Counters& counters : cache::read_stats(store.folder()))
    if (counters.to >= since) sum.add(counters);
  return sum;
}

/// The counters "hits.LAYER" under their layers.
Json group(const cache::Counters& counters, const std::string& prefix) {
  Json all = Json::object();
  for (const auto& [name, count] : counters.totals)
    if (name.starts_with(prefix)) all[name.substr(prefix.size())] = count;
  return all;
}

Json as_json(const cache::Counters& c, const Holdings& held, const cache::Limits& limits) {
  Json j{{"from", c.from}, {"to", c.to}, {"hits", group(c, "hits.")}, {"misses", group(c, "misses.")}};
  for (std::string_view name : always) j[std::string(name)] = c[name];
  j["compile_ms"] = {{"p50", c.compile_ms.quantile(0.5)}, {"p99", c.compile_ms.quantile(0.99)}};
  j["holds"] = {{"bytes", held.usage.bytes},  {"entries", held.usage.entries},  {"pinned", held.pinned},
                {"most_bytes", limits.bytes}, {"most_entries", limits.entries}, {"oldest", held.oldest},
                {"newest", held.newest}};
  return j;
}

std::string counts_text(const cache::Counters& c) {
  std::string text;
  auto line = [&](const std::string& name, const std::string& value) {
    text += fmt::format("{:<28} {:>12}\n", name, value);
  };
  for (const auto& [name, count] : c.totals)
    if (name.find('.') != std::string::npos) line(name, std::to_string(count));
  for (std::string_view name : always) line(std::string(name), std::to_string(c[name]));
  if (c.compile_ms.count() > 0)
    line("compile ms, p50 and p99",
         fmt::format("{:.1f} {:.1f}", c.compile_ms.quantile(0.5), c.compile_ms.quantile(0.99)));
  return text;
}

std::string as_text(const cache::Counters& c, const Holdings& held, const cache::Limits& limits) {
  std::string text = c.empty()
                         ? "nothing has been counted yet\n"
                         : fmt::format("from {} to {} UTC\n{}", time_text(c.from), time_text(c.to), counts_text(c));
  text += fmt::format("holds {} of at most {}, {} entries of at most {}, {} pinned\n", bytes_text(held.usage.bytes),
                      bytes_text(limits.bytes), held.usage.entries, limits.entries, held.pinned);
  if (held.usage.entries > 0)
    text += fmt::format("last used between {} and {} UTC\n", time_text(held.oldest), time_text(held.newest));
  return text;
}

struct Options {
  std::string since;
  bool zero = false;
};

int stats(const Common& common, const Options& options) {
  Store store(common.cache);
  std::int64_t since = options.since.empty() ? 0 : std::time(nullptr) - parse_duration(options.since);
  cache::Counters sum = sum_since(store, since);
  cache::Limits limits = EngineOptions::from(Settings::process()).limits;
  Holdings held = holdings_of(store);
  if (common.json)
    print_json(as_json(sum, held, limits));
  else
    fmt::print("{}", as_text(sum, held, limits));
  if (options.zero && !cache::zero_stats(store.open_to_change().get()))
    fail(Code::unsafe_cache, "the counters cannot be set to zero", {{"path", store.path() + "/v1/stats.log"}});
  return 0;
}

}  // namespace

Body declare_stats(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("--since", options->since, "only what processes wrote in that time: 12h, 7d")->type_name("TIME");
  app.add_flag("--zero", options->zero, "forgets the counters once they are printed");
  return [options, &common] { return stats(common, *options); };
}

}  // namespace pagejit::cache_tool
