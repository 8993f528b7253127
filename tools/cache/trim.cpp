#include <algorithm>
#include <ctime>
#include <limits>
#include <set>

#include "runtime/base/text.h"
#include "runtime/engine_options.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cache/removal.h"

namespace pagejit::cache_tool {
namespace {

struct Options {
  std::string size, age;
  std::int64_t entries = -1;
  bool dry_run = false;
};

/// Those given, else none; the settings' own where nothing at all is given.
cache::Limits limits_of(const Options& options) {
  if (options.size.empty() && options.entries < 0 && options.age.empty())
    return EngineOptions::from(Settings::process()).limits;
  constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
  cache::Limits limits{any, options.entries < 0 ? any : static_cast<std::uint64_t>(options.entries)};
  if (options.size.empty()) return limits;
  std::optional<std::uint64_t> bytes = parse_bytes(options.size);
  if (!bytes) fail(Code::argument, "'" + options.size + "' is no size", {{"expected", "such as 500M, 2GiB"}});
  limits.bytes = *bytes;
  return limits;
}

int trim(const Common& common, const Options& options) {
  Store store(common.cache);
  cache::Pins pins = cache::Pins::read(store.folder());
  std::int64_t now = std::time(nullptr);
  std::vector<cache::EntryFile> stay = store.files(), goes;
  if (!options.age.empty()) {
    std::int64_t oldest = now - parse_duration(options.age);
    auto old = std::partition(stay.begin(), stay.end(),
                              [&](const cache::EntryFile& f) { return f.used >= oldest || pins.holds(f.name); });
    goes.assign(old, stay.end());
    stay.erase(old, stay.end());
  }
  for (cache::EntryFile& file : cache::to_evict(stay, limits_of(options), pins, now)) goes.push_back(std::move(file));
  return remove_and_print(store, goes, options.dry_run, common.json);
}

}  // namespace

Body declare_trim(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("--size", options->size, "keeps at most so many bytes, such as 500MiB")->type_name("BYTES");
  app.add_option("--entries", options->entries, "keeps at most so many entries")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--age", options->age, "removes what was not used for so long, such as 30d")->type_name("TIME");
  app.add_flag("--dry-run", options->dry_run, "removes nothing, and says what would go");
  app.footer(
      "The least recently used go first; what is pinned stays. For --size and --entries so does what was used in\n"
      "the last five minutes. Without options: down to PAGEJIT_CACHE_MAX_SIZE and _MAX_ENTRIES.");
  return [options, &common] { return trim(common, *options); };
}

}  // namespace pagejit::cache_tool
