// From a request to its bytes: memory, then the cache's layers, then the compiler if there is one. Each key is made
// once, however many threads and processes ask for it.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/assembler.h"
#include "runtime/backend.h"
#include "runtime/base/artifact.h"
#include "runtime/base/once_map.h"
#include "runtime/cache/classify.h"
#include "runtime/cache/counters.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/layers.h"
#include "runtime/cache/lock.h"
#include "runtime/engine_options.h"
#include "runtime/spec_record.h"

namespace pagejit {

/// What the engine gives, and where it came from.
struct Made {
  Artifact artifact;
  std::optional<cache::Hit> hit;  // the file that it was read from (its artifact is empty: it is the one above)
};

class Engine {
 public:
  /// `compiler` may be null: then a miss is Error(miss). A cache that cannot be used costs one warning.
  Engine(std::shared_ptr<Compiler> compiler, EngineOptions options);
  /// Appends what was counted to the private root's stats.log.
  ~Engine();
  Engine(Engine&&) = delete;

  /// PTX, IR, log and facts for a request; no GPU and no driver needed. `from_disk` says whether nothing was compiled.
  const Artifact& artifact(const Request& request, bool* from_disk = nullptr);

  /// A cubin for the assembler's chip. Where the cache has only PTX, or another driver's cubin, the PTX is assembled
  /// again.
  const Made& image(const Request& request, Assembler& assembler);

  /// Whether image() would give it without compiling. Counts nothing.
  bool has(const Request& request, const Assembler& assembler);

  /// A kernel of weaker alignment serves in the place of the wanted one: counted and reported.
  void note_fallback(const Request& wanted, const Request& served);

  /// Launches and loads since the last call that needed no engine: launching counts them and tells nobody.
  void count_memory_hits(std::uint64_t hits) { journal_->count("hits.memory", hits); }

  /// The driver refused a cubin that came from the cache: its file is rejected and the kernel made anew, once.
  Made remake(const Request& request, Assembler& assembler, const Made& refused, const std::string& reason);

  /// Warm-up is over: from now on a compile is a warning or, with options().seal_is_error, Error(sealed).
  void seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }

  /// compiles, assemblies, disk_hits and compile_ms; the rest is the backends' to count.
  Statistics statistics() const;
  /// Everything since the last line of stats.log.
  cache::Counters counters() const { return journal_->counters(); }
  const EngineOptions& options() const { return options_; }
  bool can_compile() const { return compiler_ != nullptr && options_.mode != Mode::require; }
  cache::Layers& layers() { return layers_; }

 private:
  void open_layers();
  void reopen_if_forked();
  void flush_counters(bool now);
  cache::Wanted wanted(const Request& request) const;
  cache::Wanted wanted_image(const Request& request, const Assembler& assembler) const;
  std::optional<cache::Hit> look_up(const cache::Wanted& wanted);
  std::optional<cache::Hit> look_up_or_take_turn(const cache::Wanted& wanted, std::optional<cache::ByteLock>& lock);
  std::optional<cache::Hit> audited(std::optional<cache::Hit> hit, const Request& request);
  void note(Event::Kind kind, const Request& request, std::string_view cause = {}, double ms = 0);
  void note_hit(const Request& request, const cache::Hit& hit);

  Made make_artifact(const Request& request);
  Made make_image(const Request& request, Assembler& assembler, bool trust_cubins = true);
  cache::Miss miss(const cache::Wanted& wanted);
  Artifact compile(const Request& request, const cache::Miss& miss);
  Artifact run_compiler(const Request& request);
  void assemble(Artifact& artifact, const Request& request, Assembler& assembler);
  void keep(const Request& request, const Artifact& artifact, std::string_view cause);
  void check_seal(const Request& request, const cache::Miss& miss);
  [[noreturn]] void refuse(const Request& request);

  std::shared_ptr<Compiler> compiler_;
  EngineOptions options_;
  std::shared_ptr<cache::Journal> journal_;
  cache::Layers layers_;
  cache::Disk* private_ = nullptr;  // one of the layers
  std::optional<SpecRecord> record_;
  OnceMap<Made> artifacts_, images_;  // by key text; images_ by key text and assembler
  std::atomic<bool> sealed_ = false;
  std::atomic<std::uint64_t> compiles_ = 0, assemblies_ = 0, disk_hits_ = 0, fallbacks_ = 0;
  std::atomic<std::int64_t> compile_ns_ = 0;

  std::mutex reopening_;
  std::atomic<int> pid_;  // of the process that opened the layers
  std::atomic<std::int64_t> flushed_;
};

}  // namespace pagejit
