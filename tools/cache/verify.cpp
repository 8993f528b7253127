#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/settings.h"
#include "runtime/cache/sections.h"
#include "runtime/cache/usage.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cli.h"
#include "tools/jobs.h"

namespace pagejit::cache_tool {
namespace {
using Key = std::shared_ptr<const cache::SigningKey>;

struct Verified {
  std::size_t checked = 0, moved = 0;
  std::vector<Damage> damaged;
};

/// What came from elsewhere must be signed where there is a key.
void check(const Store& store, const cache::EntryFile& file, const Key& key) {
  bool foreign = store.is_bundle() || file.folder.starts_with("adopted");
  std::optional<cache::Entry> entry =
      foreign && key ? cache::open_checked(store.bytes(file), file.name, key.get()) : store.open(file);
  if (!entry) return;  // of a newer format: not ours to judge
  cache::verify_entry(*entry);
  if (cache::name_of(*entry) != file.name) fail(Code::damaged, "the file's name does not follow from what it holds");
}

Verified check_all(const Store& store) {
  const std::string& key_file = Settings::process().hmac_key_file;
  Key key = key_file.empty() ? nullptr : cache::SigningKey::load(key_file);
  std::vector<cache::EntryFile> files = store.files();
  std::vector<std::optional<Damage>> damage(files.size());
  in_parallel(files.size(), usual_jobs(), [&](std::size_t i) {
    try {
      check(store, files[i], key);
    } catch (const Error& e) {
      if (e.code() != Code::miss) damage[i] = {files[i], e.message(), e.code()};  // else it was evicted meanwhile
    }
  });
  Verified result{files.size(), 0, {}};
  for (std::optional<Damage>& d : damage)
    if (d) result.damaged.push_back(std::move(*d));
  return result;
}

void repair(const Store& store, Verified& result) {
  cache::Fd folder = store.open_to_change();
  for (const Damage& d : result.damaged) {
    std::string from = d.at.folder + "/" + d.at.name, to = "bad/" + d.at.name;
    if (renameat(folder.get(), from.c_str(), folder.get(), to.c_str()) != 0) continue;
    ++result.moved;
    cache::add_usage(folder.get(), -static_cast<std::int64_t>(d.at.bytes), -1);
  }
}

void print(const Verified& v, bool json, bool repaired) {
  if (json) {
    Json j{{"checked", v.checked}, {"damaged", damage_json(v.damaged)}};
    if (repaired) j["moved"] = v.moved;
    return print_json(j);
  }
  for (const Damage& d : v.damaged) fmt::print("damaged  {}  {}\n", d.at.name, d.reason);
  fmt::print("{} entries checked, {} damaged", v.checked, v.damaged.size());
  fmt::print("{}\n", repaired ? fmt::format(", {} moved to v1/bad", v.moved) : "");
}

int verify(const Common& common, bool repairs) {
  Store store(common.cache);
  if (repairs) store.folder();  // refused for a bundle before anything is read
  Verified result = check_all(store);
  if (repairs && !result.damaged.empty()) repair(store, result);
  print(result, common.json, repairs);
  if (repairs && result.moved == result.damaged.size()) return 0;
  int code = 0;
  for (const Damage& d : result.damaged) code = cli::worse(code, cli::exit_code(d.code));
  return code;
}

}  // namespace

Body declare_verify(CLI::App& app, const Common& common) {
  auto repairs = std::make_shared<bool>(false);
  app.add_flag("--repair", *repairs, "moves what is damaged aside; ends with 0 where nothing damaged is left");
  return [repairs, &common] { return verify(common, *repairs); };
}

}  // namespace pagejit::cache_tool
