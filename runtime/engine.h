// From a request to its bytes: memory, then the cache's layers, then the compiler if there is one. Each key is made
// once.
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
#include "runtime/base/settings.h"
#include "runtime/cache/layers.h"

namespace pagejit {

enum class Mode {
  automatic,  // compiles what is not cached
  require,    // never compiles; assembling stored PTX is allowed
  rebuild,    // does not look into the cache, and replaces what is there
};

struct EngineOptions {
  Mode mode = Mode::automatic;
  std::string cache_dir;  // private root; empty: memory only
  bool write = true;      // false: the private root is only read
  std::string cache_ro;   // colon-separated folders that are asked after it
  std::string dump, dump_dir;

  static EngineOptions from(const Settings& settings);
};

/// What the engine gives, and where it came from.
struct Made {
  Artifact artifact;
  std::optional<cache::Hit> hit;  // the file that it was read from (its artifact is empty: it is the one above)
};

class Engine {
 public:
  /// `compiler` may be null: then a miss is Error(miss). A cache that cannot be used costs one warning.
  Engine(std::shared_ptr<Compiler> compiler, EngineOptions options);

  /// PTX, IR, log and facts for a request; no GPU and no driver needed. `from_disk` says whether nothing was compiled.
  const Artifact& artifact(const Request& request, bool* from_disk = nullptr);

  /// A cubin for the assembler's chip. Where the cache has only PTX, or another driver's cubin, the PTX is assembled
  /// again.
  const Made& image(const Request& request, Assembler& assembler);

  /// The driver refused a cubin that came from the cache: its file is rejected and the kernel made anew, once.
  Made remake(const Request& request, Assembler& assembler, const Made& refused, const std::string& reason);

  /// compiles, assemblies, disk_hits and compile_ms; the rest is the backends' to count.
  Statistics statistics() const;
  const EngineOptions& options() const { return options_; }
  bool can_compile() const { return compiler_ != nullptr && options_.mode != Mode::require; }
  cache::Layers& layers() { return layers_; }

 private:
  void open_layers();
  cache::Wanted wanted(const Request& request) const;
  std::optional<cache::Hit> look_up(const cache::Wanted& wanted);
  Made make_artifact(const Request& request);
  Made make_image(const Request& request, Assembler& assembler, bool trust_cubins = true);
  Artifact compile(const Request& request);
  void assemble(Artifact& artifact, const Request& request, Assembler& assembler);
  void keep(const Request& request, const Artifact& artifact, std::string_view cause);
  [[noreturn]] void refuse(const Request& request);

  std::shared_ptr<Compiler> compiler_;
  EngineOptions options_;
  cache::Layers layers_;
  OnceMap<Made> artifacts_, images_;  // by key text; images_ by key text and assembler
  std::atomic<std::uint64_t> compiles_ = 0, assemblies_ = 0, disk_hits_ = 0;
  std::atomic<std::int64_t> compile_ns_ = 0;
};

}  // namespace pagejit
