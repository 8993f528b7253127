// A folder of entries: the private cache, or somebody else's that is only read.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cache/collect.h"
#include "runtime/cache/counters.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/file.h"
#include "runtime/cache/layers.h"

namespace pagejit::cache {

struct DiskOptions {
  bool group = false;  // shared by a group: folders 2770, files 0660
  Limits limits;
  std::shared_ptr<Journal> journal;  // told of what is stored, moved aside and evicted; may be null
};

class Disk : public Layer {
 public:
  enum class Use { read_write, read_only };
  /// Throws Error(unsafe_cache) where the folder cannot be used.
  Disk(std::string path, Use use, DiskOptions options = {});

  std::string name() const override { return path_; }
  std::string_view kind() const override { return use_ == Use::read_write ? "private" : "readonly"; }
  std::optional<Hit> get(const Wanted& wanted) override;
  void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) override;
  void reject(const std::string& file, const std::string& reason) override;
  void each_key(const std::function<bool(const std::string&)>& visit) override;
  std::vector<Sibling> siblings(const Request& request) override;

  // For tools, and for what lies beside the entries: lock.h, usage.h, pins.h, collect.h, stats_log.h.
  /// File names of all entries, sorted.
  std::vector<std::string> files() const;
  /// Opens one by its file name; nothing where it is absent or of a newer format. Throws Error(damaged), ReadFailed.
  std::optional<Entry> open(const std::string& file) const;
  /// The folder <path>/v1.
  int folder() const { return folder_.get(); }
  bool writable() const { return writable_; }

 private:
  struct Candidate {
    std::string file;
    Entry entry;
    KernelFacts facts;
    int rank;
  };
  std::optional<Hit> find(const Wanted& wanted);
  std::optional<Candidate> consider(const std::string& file, const Wanted& wanted);
  std::optional<Candidate> best_sibling(const Wanted& wanted, const std::string& but_not);
  std::optional<Hit> read(Candidate candidate, const Wanted& wanted);
  int rank_of(const std::string& producer, const Wanted& wanted) const;
  bool fits(const KernelFacts& facts, const Wanted& wanted) const;
  void note_use(const std::string& file);

  int publish(const std::string& file, std::string_view bytes, bool replace);
  int move_into_place(const std::string& from, const std::string& to, bool replace);
  void note_store(const Request& request, std::int64_t bytes, std::int64_t entries);
  void collect_down_to(const Limits& limits);
  void cannot_write(int error);
  void prune_bad();
  void note(const Event& event);

  std::string path_;
  Use use_;
  DiskOptions options_;
  Fd folder_;
  std::atomic<bool> writable_;
};

}  // namespace pagejit::cache
