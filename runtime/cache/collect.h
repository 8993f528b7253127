// Keeps a private root within its limits: the least recently used entries go first.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/cache/pins.h"
#include "runtime/cache/usage.h"

namespace pagejit::cache {

struct Limits {
  std::uint64_t bytes = std::uint64_t{2} << 30;
  std::uint64_t entries = 50'000;
};
/// Whether a store must be followed by a collection: over a limit, or not counted for a day.
bool needs_collection(const Usage& usage, const Limits& limits, std::int64_t now);

struct EntryFile {
  std::string folder, name;  // "objects/3f", "<spec>-<key>-<producer>.pj"
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  // seconds since 1970, true to the hour
};

/// Every entry of a root, those of adopted/ included.
std::vector<EntryFile> list_entries(int folder);
Usage total_of(const std::vector<EntryFile>& entries, std::int64_t now);

/// Those that must go so that the rest keeps to `keep`, the least recently used first; never one that is pinned or was
/// used in the last five minutes.
std::vector<EntryFile> to_evict(std::vector<EntryFile> entries, const Limits& keep, const Pins& pins, std::int64_t now);
/// Gives what could be removed.
Usage evict(int folder, const std::vector<EntryFile>& entries);

struct Collected {
  bool done = false;  // false: somebody else is collecting
  Usage evicted, left;
};
/// Counts; where `limits` are passed evicts down to 80 % of them; removes files of tmp/ that are over an hour old.
Collected collect(int folder, const Limits& limits);

}  // namespace pagejit::cache
