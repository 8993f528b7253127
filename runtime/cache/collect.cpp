#include "runtime/cache/collect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "runtime/cache/file.h"
#include "runtime/cache/lock.h"
#include "runtime/cache/stats_log.h"

namespace pagejit::cache {
namespace {
constexpr std::int64_t minute = 60, hour = 60 * minute, day = 24 * hour;

Limits four_fifths(const Limits& limits) {
  return {limits.bytes / 5 * 4, limits.entries / 5 * 4};
}

void add_entries(int folder, const std::string& shard, std::vector<EntryFile>& all) {
  Fd open = open_folder(folder, shard);
  for (std::string& name : names_in(folder, shard)) {
    struct stat status;
    if (!name.ends_with(".pj") || fstatat(open.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(status.st_mode))
      all.push_back({shard, std::move(name), static_cast<std::uint64_t>(status.st_size), status.st_mtime});
  }
}

/// What processes left that were killed while they wrote.
void clean_temporary(int folder, std::int64_t now) {
  Fd open = open_folder(folder, "tmp");
  for (const std::string& name : names_in(folder, "tmp")) {
    struct stat status;
    if (fstatat(open.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && now - status.st_mtime > hour)
      unlinkat(open.get(), name.c_str(), 0);
  }
}
}  // namespace

bool needs_collection(const Usage& usage, const Limits& limits, std::int64_t now) {
  return usage.bytes > limits.bytes || usage.entries > limits.entries || now - usage.counted > day;
}

std::vector<EntryFile> list_entries(int folder) {
  std::vector<EntryFile> all;
  for (std::string tree : {"objects", "adopted"})
    for (const std::string& shard : names_in(folder, tree)) add_entries(folder, tree + "/" + shard, all);
  return all;
}

Usage total_of(const std::vector<EntryFile>& entries, std::int64_t now) {
  Usage total{0, entries.size(), now};
  for (const EntryFile& entry : entries) total.bytes += entry.bytes;
  return total;
}

std::vector<EntryFile> to_evict(std::vector<EntryFile> entries, const Limits& keep, const Pins& pins,
                                std::int64_t now) {
  Usage left = total_of(entries, now);
  std::erase_if(entries, [&](const EntryFile& e) { return now - e.used < 5 * minute || pins.holds(e.name); });
  // By name where times are equal, so that every process would choose the same.
  std::sort(entries.begin(), entries.end(), [](const EntryFile& a, const EntryFile& b) {
    return a.used != b.used ? a.used < b.used : a.name < b.name;
  });
  std::size_t count = 0;
  while (count < entries.size() && (left.bytes > keep.bytes || left.entries > keep.entries)) {
    left.bytes -= entries[count++].bytes;
    --left.entries;
  }
  entries.resize(count);
  return entries;
}

Usage evict(int folder, const std::vector<EntryFile>& entries) {
  Usage gone;
  for (const EntryFile& entry : entries) {
    if (unlinkat(folder, (entry.folder + "/" + entry.name).c_str(), 0) != 0) continue;
    gone.bytes += entry.bytes;
    ++gone.entries;
  }
  return gone;
}

Collected collect(int folder, const Limits& limits) {
  ByteLock lock(folder, collection_byte);
  // Without locks two may collect at once; the second finds less to do.
  if (lock.try_take() == ByteLock::Answer::busy) return {};
  std::int64_t now = std::time(nullptr);
  std::vector<EntryFile> entries = list_entries(folder);
  Collected result{true, {}, total_of(entries, now)};
  if (result.left.bytes > limits.bytes || result.left.entries > limits.entries) {
    result.evicted = evict(folder, to_evict(std::move(entries), four_fifths(limits), Pins::read(folder), now));
    result.left.bytes -= result.evicted.bytes;
    result.left.entries -= result.evicted.entries;
  }
  write_usage(folder, result.left);
  clean_temporary(folder, now);
  fold_stats(folder);
  return result;
}

}  // namespace pagejit::cache
