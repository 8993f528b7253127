// A folder of entries: the private cache, or somebody else's that is only read.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cache/entry.h"
#include "runtime/cache/file.h"
#include "runtime/cache/layers.h"

namespace pagejit::cache {

class Disk : public Layer {
 public:
  enum class Use { read_write, read_only };
  /// Throws Error(unsafe_cache) where the folder cannot be used.
  Disk(std::string path, Use use);

  std::string name() const override { return path_; }
  std::optional<Hit> get(const Wanted& wanted) override;
  void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) override;
  void reject(const std::string& file, const std::string& reason) override;
  void each_key(const std::function<bool(const std::string&)>& visit) override;

  // For tools.
  /// File names of all entries, sorted.
  std::vector<std::string> files() const;
  /// Opens one by its file name; nothing where it is absent or of a newer format. Throws Error(damaged).
  std::optional<Entry> open(const std::string& file) const;

 private:
  struct Candidate {
    std::string file;
    Entry entry;
    KernelFacts facts;
    int rank;
  };
  std::optional<Candidate> consider(const std::string& file, const Wanted& wanted);
  std::optional<Candidate> best_sibling(const Wanted& wanted, const std::string& but_not);
  std::optional<Hit> read(Candidate candidate, const Wanted& wanted);
  bool publish(const std::string& file, std::string_view bytes, bool replace);
  bool move_into_place(const std::string& from, const std::string& to, bool replace);
  void cannot_write(const std::string& what);
  void prune_bad();

  std::string path_;
  Use use_;
  Fd folder_;  // <path>/v1
  std::atomic<bool> writable_;
};

/// Whether the cubin of an entry with these facts runs here as it is.
bool cubin_fits(const KernelFacts& facts, const Wanted& wanted);

}  // namespace pagejit::cache
