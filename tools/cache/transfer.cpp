// `export` and `import`: bundles out of entries, and entries out of bundles, folders and files.
#include <fmt/format.h>

#include <filesystem>

#include "runtime/base/settings.h"
#include "runtime/cache/bundle_write.h"
#include "runtime/cache/root.h"
#include "tools/cache/command.h"
#include "tools/cache/filter.h"
#include "tools/cache/print.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/temporary_folder.h"

namespace pagejit::cache_tool {
namespace {
using cache::BundleCounts;
using Key = std::shared_ptr<const cache::SigningKey>;

Key signing_key() {
  const std::string& file = Settings::process().hmac_key_file;
  return file.empty() ? nullptr : cache::SigningKey::load(file);
}

int print(const BundleCounts& counts, const std::string& where, bool json) {
  if (json)
    print_json({{"to", where}, {"added", counts.added}, {"present", counts.present}, {"refused", counts.refused}});
  else
    fmt::print("{}: {} added, {} present already, {} refused\n", where, counts.added, counts.present, counts.refused);
  return counts.refused == 0 ? 0 : cli::exit_code(Code::damaged);
}

struct ExportOptions {
  std::string file;
  std::vector<std::string> filters;
};

int export_bundle(const Common& common, const ExportOptions& options) {
  Store store(common.cache);
  std::vector<Damage> damaged;
  std::vector<Listed> entries = store.list(damaged);
  keep_matching(entries, options.filters);
  cache::BundleWriter writer(options.file, signing_key());
  BundleCounts counts{0, 0, damaged.size()};
  for (const Listed& l : entries) try {
      ++(writer.add(store.bytes(l.at)) ? counts.added : counts.present);
    } catch (const Error& e) {
      if (e.code() != Code::damaged) throw;
      damaged.push_back({l.at, e.message()});
      ++counts.refused;
    }
  writer.finish();
  complain(damaged);
  return print(counts, options.file, common.json);
}

/// Entries that lie in files of their own become a bundle first, so that one function puts entries into a root. A key
/// is asked of them as of any bundle's; what a folder of the user's own holds is vouched for by whoever imports it.
BundleCounts import_through_bundle(const std::string& path, const std::string& root, const Key& key) {
  TemporaryFolder folder;
  std::string file = folder.path() + "/import.pjpack";
  cache::BundleWriter writer(file, key);
  BundleCounts read;
  if (std::filesystem::is_directory(path)) {
    read = cache::add_folder(writer, path);
  } else {
    std::string bytes = read_whole_file(path), name = std::filesystem::path(path).filename();
    cache::open_checked(bytes, name, key.get());
    writer.add(bytes);
  }
  writer.finish();
  BundleCounts counts = cache::extract_bundle(cache::Bundle(file), root, key.get());
  counts.refused += read.refused;
  return counts;
}

BundleCounts import_one(const std::string& path, const std::string& root, const Key& key) {
  if (!std::filesystem::exists(path)) fail(Code::miss, "there is nothing to import", {{"path", path}});
  if (std::filesystem::is_directory(path) || path.ends_with(".pj")) return import_through_bundle(path, root, key);
  return cache::extract_bundle(cache::Bundle(path), root, key.get());
}

int import_all(const Common& common, const std::vector<std::string>& files) {
  std::string root = common.cache.empty() ? cache::private_root(Settings::process()) : common.cache;
  if (root.empty() || std::filesystem::is_regular_file(root))
    fail(Code::argument, "entries are imported into a folder", {{"given", root.empty() ? "none" : root}});
  Key key = signing_key();
  BundleCounts sum;
  for (const std::string& file : files) {
    BundleCounts counts = import_one(file, root, key);
    sum.added += counts.added, sum.present += counts.present, sum.refused += counts.refused;
  }
  return print(sum, root, common.json);
}

}  // namespace

Body declare_export(CLI::App& app, const Common& common) {
  auto options = std::make_shared<ExportOptions>();
  app.add_option("file", options->file, "the bundle to write; equal entries give equal bytes")
      ->type_name("FILE")
      ->required();
  app.add_option("filter", options->filters, "only what matches all of them, as for list")->type_name("FILTER");
  return [options, &common] { return export_bundle(common, *options); };
}

Body declare_import(CLI::App& app, const Common& common) {
  auto files = std::make_shared<std::vector<std::string>>();
  app.add_option("file", *files, "bundles, cache folders, or single entries (.pj)")->type_name("FILE")->required();
  return [files, &common] { return import_all(common, *files); };
}

}  // namespace pagejit::cache_tool
