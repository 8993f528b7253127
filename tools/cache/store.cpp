#include "tools/cache/store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "kernels/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "runtime/cache/root.h"

namespace pagejit::cache_tool {
namespace {

std::string folder_or_own(const std::string& folder) {
  std::string path = folder.empty() ? cache::private_root(Settings::process()) : folder;
  std::error_code ignored;
  if (path.empty() || !std::filesystem::is_directory(path + "/v1", ignored))
    fail(Code::miss, "there is no kernel cache here",
         {{"path", path.empty() ? "none: PAGEJIT_CACHE_DIR and HOME are unset" : path},
          {"to make one", "pagejit-precompile --cache DIR --model NAME --target sm_90a"}});
  return path;
}

std::string path_of(const std::string& folder, const std::string& file) {
  return fmt::format("{}/v1/{}/{}", folder, cache::shard_of(file), file);
}

/// What a user types for a spec line leaves out defaults; families fill them in. Anything else stays as it is.
std::string canonical(const std::string& line) {
  if (line.find(' ') == std::string::npos && line.find('=') == std::string::npos) return line;
  return family_of(line).canonical(line);
}

}  // namespace

Store::Store(const std::string& folder) : folder_(folder_or_own(folder)) {
  disk_.emplace(folder_, cache::Disk::Use::read_only);
}

Listed Store::describe(const std::string& file, const cache::Entry& entry) const {
  Listed listed;
  listed.file = file;
  listed.request = request_of_key(entry.key_text());
  listed.producer = entry.producer();
  listed.facts = entry.facts();
  listed.bytes = entry.total_bytes();
  struct stat status;
  if (stat(path_of(folder_, file).c_str(), &status) == 0) listed.last_use = status.st_mtime;
  return listed;
}

std::vector<Listed> Store::list(std::vector<Damage>& damaged) const {
  std::vector<Listed> all;
  for (const std::string& file : disk_->files()) {
    try {
      if (auto entry = disk_->open(file)) all.push_back(describe(file, *entry));
    } catch (const Error& e) {
      damaged.push_back({file, e.message()});
    }
  }
  auto order = [](const Listed& l) { return std::tie(l.request.target, l.request.spec_line, l.file); };
  std::sort(all.begin(), all.end(), [&](const Listed& a, const Listed& b) { return order(a) < order(b); });
  return all;
}

std::vector<Damage> Store::verify(std::size_t& checked) const {
  std::vector<Damage> damaged;
  checked = 0;
  for (const std::string& file : disk_->files()) {
    ++checked;
    try {
      auto entry = disk_->open(file);
      if (!entry) continue;  // of a newer format: not ours to judge
      cache::verify_entry(*entry);
      if (!file.starts_with(cache::entry_prefix(request_of_key(entry->key_text()))))
        damaged.push_back({file, "the file's name is not that of the key inside"});
    } catch (const Error& e) {
      damaged.push_back({file, e.message()});
    }
  }
  return damaged;
}

Listed Store::find(const std::string& key) const {
  std::vector<Damage> ignored;
  std::vector<Listed> found;
  std::string wanted = canonical(key), name = std::filesystem::path(key).filename();
  for (Listed& l : list(ignored)) {
    bool same = hex64(l.request.key_id).starts_with(wanted) || hex64(l.request.spec_id).starts_with(wanted) ||
                l.file == name || l.request.spec_line == wanted;
    if (same) found.push_back(std::move(l));
  }
  if (found.size() == 1) return found[0];
  if (found.empty())
    fail(Code::miss, fmt::format("no entry matches '{}'", key),
         {{"cache", folder_}, {"to see them", "pagejit-cache list"}});
  Error::Fields fields;
  constexpr std::size_t most_shown = 6;
  for (const Listed& l : found)
    if (fields.size() < most_shown) fields.emplace_back(l.file, l.request.target + "  " + l.request.spec_line);
  if (found.size() > most_shown) fields.emplace_back("and", fmt::format("{} more", found.size() - most_shown));
  fail(Code::argument, fmt::format("'{}' matches {} entries; give one of their file names", key, found.size()), fields);
}

Artifact Store::read(const std::string& file) const {
  auto entry = disk_->open(file);
  if (!entry) fail(Code::miss, fmt::format("{} is gone", file), {{"cache", folder_}});
  return entry->artifact();
}

bool matches(const Listed& entry, const std::vector<std::string>& filters) {
  std::string facts = "\n" + entry.facts.text();
  return std::all_of(filters.begin(), filters.end(), [&](const std::string& filter) {
    return (entry.request.spec_line + " ").find(" " + filter + " ") != std::string::npos ||
           entry.request.spec_line.starts_with(filter + " ") || facts.find("\n" + filter + "\n") != std::string::npos;
  });
}

}  // namespace pagejit::cache_tool
