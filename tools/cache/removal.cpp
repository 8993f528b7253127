#include "tools/cache/removal.h"

#include <fmt/format.h>

#include <ctime>

#include "runtime/cache/lock.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

struct Outcome {
  cache::Usage gone, left;
};

Outcome would_remove(const Store& store, const std::vector<cache::EntryFile>& goes) {
  std::int64_t now = std::time(nullptr);
  Outcome outcome{cache::total_of(goes, now), cache::total_of(store.files(), now)};
  outcome.left.bytes -= outcome.gone.bytes;
  outcome.left.entries -= outcome.gone.entries;
  return outcome;
}

Outcome do_remove(const Store& store, const std::vector<cache::EntryFile>& goes) {
  cache::Fd folder = store.open_to_change();
  // A collection that runs meanwhile would count what we remove; where it lasts, its count is off until the next one.
  cache::ByteLock lock(folder.get(), cache::collection_byte);
  lock.take(std::chrono::seconds(2));
  Outcome outcome;
  outcome.gone = cache::evict(folder.get(), goes);
  outcome.left = cache::total_of(cache::list_entries(folder.get()), std::time(nullptr));
  cache::write_usage(folder.get(), outcome.left);
  return outcome;
}

}  // namespace

int remove_and_print(const Store& store, const std::vector<cache::EntryFile>& goes, bool dry_run, bool json) {
  Outcome outcome = dry_run ? would_remove(store, goes) : do_remove(store, goes);
  Json files = Json::array();
  for (const cache::EntryFile& file : goes) {
    files.push_back(file.name);
    if (!json) fmt::print("{}  {}  {}\n", dry_run ? "would go" : "goes", file.name, bytes_text(file.bytes));
  }
  if (json)
    print_json({{"dry_run", dry_run},
                {"removed", {{"entries", outcome.gone.entries}, {"bytes", outcome.gone.bytes}, {"files", files}}},
                {"left", {{"entries", outcome.left.entries}, {"bytes", outcome.left.bytes}}}});
  else
    fmt::print("{} {} entries, {}; {} entries, {} stay\n", dry_run ? "would remove" : "removed", outcome.gone.entries,
               bytes_text(outcome.gone.bytes), outcome.left.entries, bytes_text(outcome.left.bytes));
  return outcome.gone.entries == goes.size() ? 0 : 1;
}

}  // namespace pagejit::cache_tool
