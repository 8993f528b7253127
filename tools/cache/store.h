// The entries of a cache folder or of a bundle, as pagejit-cache sees them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/error.h"
#include "runtime/base/request.h"
#include "runtime/cache/bundle.h"
#include "runtime/cache/collect.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/file.h"

namespace pagejit::cache_tool {

struct Listed {
  cache::EntryFile at;  // in a bundle the folder is empty and the last use 0
  Request request;
  std::string producer;
  KernelFacts facts;         // with what the machine code itself says where nobody stored it
  std::string cause;         // why it was made; empty where that is not kept
  std::int64_t created = 0;  // seconds since 1970; 0 where that is not kept
  bool pinned = false;

  int spills() const { return facts.spill_store < 0 ? -1 : facts.spill_store + facts.spill_load; }
  int shared() const { return facts.dynamic_shared + (facts.static_shared > 0 ? facts.static_shared : 0); }
};

struct Damage {
  cache::EntryFile at;
  std::string reason;
  Code code = Code::damaged;
};

class Store {
 public:
  /// `path` is a cache folder or a bundle; empty: the user's own cache. Throws Error(miss) where there is none,
  /// Error(unsafe_cache) where it may not be trusted.
  explicit Store(const std::string& path);

  const std::string& path() const { return path_; }
  bool is_bundle() const { return bundle_ != nullptr; }
  /// The folder v1, opened for changes. Throws Error(argument) for a bundle, Error(unsafe_cache) for what is not ours.
  cache::Fd open_to_change() const;
  /// The folder v1. Throws Error(argument) for a bundle.
  int folder() const;

  /// Every file, whatever is in it, and where it lies.
  std::vector<cache::EntryFile> files() const;
  /// Every entry that can be read, sorted by target and spec line; the others go to `damaged`.
  std::vector<Listed> list(std::vector<Damage>& damaged) const;
  /// Those that `key` names: a prefix of the key or the spec id, the file's name, or a spec line. Throws Error(miss)
  /// where there is none.
  std::vector<Listed> find_all(const std::string& key) const;
  /// The only one. Throws Error(argument) where several match.
  Listed find(const std::string& key) const;
  /// Nothing where its format is newer than ours. Throws Error(damaged), Error(miss) where it is gone.
  std::optional<cache::Entry> open(const cache::EntryFile& file) const;
  /// The file as it lies there.
  std::string bytes(const cache::EntryFile& file) const;

 private:
  Listed describe(const cache::EntryFile& file, const cache::Entry& entry) const;

  std::string path_;
  cache::Fd folder_;
  std::unique_ptr<cache::Bundle> bundle_;
};

/// What a user types for a spec line leaves out defaults; families fill them in. Anything else stays as it is.
std::string canonical_or_same(const std::string& line);

}  // namespace pagejit::cache_tool
