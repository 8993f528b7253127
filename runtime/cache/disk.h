// A folder of entries: the private cache, or somebody else's that is only read.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cache/collect.h"
#include "runtime/cache/counters.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/entry_layer.h"
#include "runtime/cache/file.h"

namespace pagejit::cache {

struct DiskOptions {
  bool group = false;  // shared by a group: folders 2770, files 0660
  Limits limits;
  std::shared_ptr<Journal> journal;  // told of what is stored, moved aside and evicted; may be null
};

class Disk : public EntryLayer {
 public:
  enum class Use { read_write, read_only };
  /// Throws Error(unsafe_cache) where the folder cannot be used.
  Disk(std::string path, Use use, DiskOptions options = {});

  std::string_view kind() const override { return use_ == Use::read_write ? "private" : "readonly"; }
  void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) override;
  /// Those that were moved aside as damaged are among them.
  std::vector<Sibling> siblings(const Request& request) override;
  std::vector<std::string> names(const std::string& prefix) const override;
  std::optional<Entry> open(const std::string& file) const override;

  // For tools, and for what lies beside the entries: lock.h, usage.h, pins.h, collect.h, stats_log.h.
  /// File names of all entries, sorted.
  std::vector<std::string> files() const { return names(""); }
  /// The folder <path>/v1.
  int folder() const { return folder_.get(); }
  bool writable() const { return writable_; }

 private:
  /// A read-only layer was chosen by whoever runs this.
  bool any_producer() const override { return use_ == Use::read_only; }
  void used(const std::string& file) override;
  std::string put_aside(const std::string& file) override;

  int publish(const std::string& file, std::string_view bytes, bool replace);
  int move_into_place(const std::string& from, const std::string& to, bool replace);
  void note_store(const Request& request, std::int64_t bytes, std::int64_t entries);
  void collect_down_to(const Limits& limits);
  void cannot_write(int error);
  void prune_bad();

  std::string path_;
  Use use_;
  DiskOptions options_;
  Fd folder_;
  std::atomic<bool> writable_;
};

}  // namespace pagejit::cache
