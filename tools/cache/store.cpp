#include "tools/cache/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <tuple>

#include "kernels/registry.h"
#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "runtime/cache/cubin_facts.h"
#include "runtime/cache/root.h"

namespace pagejit::cache_tool {
namespace {

std::string path_or_own(const std::string& path) {
  std::string where = path.empty() ? cache::private_root(Settings::process()) : path;
  std::error_code ignored;
  bool bundle = std::filesystem::is_regular_file(where, ignored);
  if (where.empty() || !(bundle || std::filesystem::is_directory(where + "/v1", ignored)))
    fail(Code::miss, "there is no kernel cache here",
         {{"path", where.empty() ? "none: PAGEJIT_CACHE_DIR and HOME are unset" : where},
          {"to make one", "pagejit-precompile --cache DIR --model NAME --target sm_90a"}});
  return where;
}

std::string path_of(const cache::EntryFile& file) {
  return file.folder + "/" + file.name;
}

void read_history(Listed& listed, const cache::Entry& entry) {
  for (const auto& [name, value] : entry.history()) {
    if (name == "cause") listed.cause = value;
    if (name == "created") listed.created = std::strtoll(value.c_str(), nullptr, 10);
  }
}

[[noreturn]] void fail_as_bundle(const std::string& path) {
  fail(Code::argument, "a bundle is never changed, and keeps no counters",
       {{"bundle", path}, {"to do", "pagejit-cache import into a folder"}});
}

}  // namespace

std::string canonical_or_same(const std::string& line) {
  if (line.find(' ') == std::string::npos && line.find('=') == std::string::npos) return line;
  return family_of(line).canonical(line);
}

Store::Store(const std::string& path) : path_(path_or_own(path)) {
  if (std::filesystem::is_directory(path_))
    folder_ = cache::open_root(path_, cache::Access::read_only);
  else
    bundle_ = std::make_unique<cache::Bundle>(path_);
}

int Store::folder() const {
  if (is_bundle()) fail_as_bundle(path_);
  return folder_.get();
}

cache::Fd Store::open_to_change() const {
  if (is_bundle()) fail_as_bundle(path_);
  bool group = Settings::process().cache_mode == "group";
  return cache::open_root(path_, group ? cache::Access::group : cache::Access::own);
}

std::vector<cache::EntryFile> Store::files() const {
  if (!is_bundle()) return cache::list_entries(folder_.get());
  std::vector<cache::EntryFile> all;
  for (const cache::Bundle::Item& item : bundle_->items()) all.push_back({"", item.name(), item.bytes, 0});
  return all;
}

std::string Store::bytes(const cache::EntryFile& file) const {
  if (!is_bundle()) return cache::read_small(folder_.get(), path_of(file));
  const cache::Bundle::Item* item = bundle_->find(file.name);
  return item ? bundle_->read(*item) : std::string();
}

std::optional<cache::Entry> Store::open(const cache::EntryFile& file) const {
  if (is_bundle()) return cache::Entry::own(bytes(file));
  cache::Fd fd = cache::open_to_read(folder_.get(), path_of(file));
  std::int64_t size = fd ? cache::size_of(fd.get()) : -1;
  if (size < 0) fail(Code::miss, fmt::format("{} is gone", file.name), {{"cache", path_}});
  auto total = static_cast<std::uint64_t>(size);
  return cache::Entry::open(cache::reader(std::move(fd), total), total);
}

Listed Store::describe(const cache::EntryFile& file, const cache::Entry& entry) const {
  Listed listed;
  listed.at = file;
  listed.request = request_of_key(entry.key_text());
  listed.producer = entry.producer();
  listed.facts = entry.facts();
  read_history(listed, entry);
  if (listed.facts.registers < 0 && entry.has(cache::Section::cubin)) try {
      cache::add_cubin_facts(listed.facts, entry.section(cache::Section::cubin));
    } catch (const Error&) {
      // No ELF file that we can read: its facts stay unknown, and `verify` judges its bytes.
    }
  return listed;
}

std::vector<Listed> Store::list(std::vector<Damage>& damaged) const {
  std::vector<Listed> all;
  cache::Pins pins = is_bundle() ? cache::Pins() : cache::Pins::read(folder_.get());
  for (const cache::EntryFile& file : files()) try {
      std::optional<cache::Entry> entry = open(file);
      if (!entry) continue;
      all.push_back(describe(file, *entry));
      all.back().pinned = pins.holds(file.name);
    } catch (const Error& e) {
      if (e.code() != Code::miss) damaged.push_back({file, e.message(), e.code()});  // else it was evicted meanwhile
    }
  auto order = [](const Listed& l) { return std::tie(l.request.target, l.request.spec_line, l.at.name, l.at.folder); };
  std::sort(all.begin(), all.end(), [&](const Listed& a, const Listed& b) { return order(a) < order(b); });
  return all;
}

std::vector<Listed> Store::find_all(const std::string& key) const {
  std::vector<Damage> ignored;
  std::vector<Listed> found = list(ignored);
  bool file = key.ends_with(".pj");
  std::string wanted = file ? key : canonical_or_same(key), name = std::filesystem::path(key).filename();
  std::erase_if(found, [&](const Listed& l) {
    if (file) return l.at.name != name;
    return !hex64(l.request.key_id).starts_with(wanted) && !hex64(l.request.spec_id).starts_with(wanted) &&
           l.request.spec_line != wanted;
  });
  if (found.empty())
    fail(Code::miss, fmt::format("no entry matches '{}'", key),
         {{"cache", path_}, {"to see them", "pagejit-cache list"}});
  return found;
}

Listed Store::find(const std::string& key) const {
  std::vector<Listed> found = find_all(key);
  // The same file may lie in objects/ and in adopted/.
  if (found.front().at.name == found.back().at.name) return found.front();
  Error::Fields fields;
  constexpr std::size_t most_shown = 6;
  for (const Listed& l : found)
    if (fields.size() < most_shown) fields.emplace_back(l.at.name, l.request.target + "  " + l.request.spec_line);
  if (found.size() > most_shown) fields.emplace_back("and", fmt::format("{} more", found.size() - most_shown));
  fail(Code::argument, fmt::format("'{}' matches {} entries; give one of their file names", key, found.size()), fields);
}

}  // namespace pagejit::cache_tool
