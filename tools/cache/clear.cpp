#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "tools/cache/command.h"
#include "tools/cache/filter.h"
#include "tools/cache/print.h"
#include "tools/cache/removal.h"

namespace pagejit::cache_tool {
namespace {

struct Options {
  std::vector<std::string> filters;
  bool dry_run = false, yes = false;
};

/// All files where nothing is asked of them: damaged ones and those of newer formats too.
std::vector<cache::EntryFile> chosen(const Store& store, const std::vector<std::string>& filters) {
  cache::Pins pins = cache::Pins::read(store.folder());
  std::vector<cache::EntryFile> files;
  if (filters.empty()) {
    files = store.files();
  } else {
    std::vector<Damage> ignored;
    std::vector<Listed> entries = store.list(ignored);
    keep_matching(entries, filters);
    for (Listed& l : entries) files.push_back(std::move(l.at));
  }
  std::erase_if(files, [&](const cache::EntryFile& f) { return pins.holds(f.name); });
  return files;
}

bool agreed(std::size_t entries, const std::string& where) {
  if (isatty(STDIN_FILENO) != 1)
    fail(Code::argument, fmt::format("{} entries would go, and nobody can be asked", entries),
         {{"cache", where}, {"to do", "add --yes, or --dry-run to see them"}});
  fmt::print(stderr, "Remove {} entries of {}? [y/N] ", entries, where);
  int answer = std::getchar();
  return answer == 'y' || answer == 'Y';
}

int clear(const Common& common, const Options& options) {
  Store store(common.cache);
  std::vector<cache::EntryFile> goes = chosen(store, options.filters);
  bool may = options.dry_run || options.yes || goes.empty() || agreed(goes.size(), store.path());
  if (!may) return 1;
  return remove_and_print(store, goes, options.dry_run, common.json);
}

}  // namespace

Body declare_clear(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("filter", options->filters, "only what matches all of them, as for list")->type_name("FILTER");
  app.add_flag("--dry-run", options->dry_run, "removes nothing, and says what would go");
  app.add_flag("--yes", options->yes, "does not ask");
  return [options, &common] { return clear(common, *options); };
}

}  // namespace pagejit::cache_tool
