// The entries of a cache folder, as pagejit-cache shows them. Only reads.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/request.h"
#include "runtime/cache/disk.h"

namespace pagejit::cache_tool {

struct Listed {
  std::string file;
  Request request;
  std::string producer;
  KernelFacts facts;
  std::uint64_t bytes = 0;
  std::int64_t last_use = 0;  // seconds since 1970, true to the hour
};

struct Damage {
  std::string file, reason;
};

class Store {
 public:
  /// `folder` empty: the user's own cache. Throws Error(argument) where there is none, Error(unsafe_cache) where it may
  /// not be trusted.
  explicit Store(const std::string& folder);

  const std::string& folder() const { return folder_; }
  /// Every entry that can be read, sorted by target and spec line; the others go to `damaged`.
  std::vector<Listed> list(std::vector<Damage>& damaged) const;
  /// Checks each byte of each entry; gives those that fail.
  std::vector<Damage> verify(std::size_t& checked) const;
  /// By a prefix of the key or the spec id, by the file's name, or by the spec line. Throws Error(miss) where there is
  /// none, Error(argument) where several match.
  Listed find(const std::string& key) const;
  Artifact read(const std::string& file) const;

 private:
  Listed describe(const std::string& file, const cache::Entry& entry) const;

  std::string folder_;
  std::optional<cache::Disk> disk_;
};

/// Whether the spec line has all of the `field=value` filters, which may name facts as well: registers=32.
bool matches(const Listed& entry, const std::vector<std::string>& filters);

}  // namespace pagejit::cache_tool
