// What an engine is told: the environment's answers (base/settings.def), then whatever the host program says.
#pragma once
#include <chrono>
#include <string>

#include "runtime/base/event.h"
#include "runtime/base/settings.h"
#include "runtime/cache/collect.h"
#include "runtime/cache/layer_list.h"

namespace pagejit {

enum class Mode {
  automatic,  // compiles what is not cached
  require,    // never compiles; assembling stored PTX is allowed
  rebuild,    // does not look into the cache, and replaces what is there
};

/// Whose bytes are taken from the private folder. Read-only layers: anybody's, unless `exact`.
enum class Producers { automatic, exact, any };

struct EngineOptions {
  Mode mode = Mode::automatic;
  std::string cache_dir;  // private root; empty: memory only
  bool write = true;      // false: the private root is only read
  bool group = false;     // the private root is shared by a group
  std::string cache_ro;   // colon-separated folders and bundles that are asked after it
  cache::SharedOptions shared;
  cache::Limits limits;
  Producers producers = Producers::automatic;
  bool seal_is_error = false;  // what a compile after seal() is; else a warning
  bool keep_ir = true, keep_log = true;
  bool complete = false;  // a kernel from the cache comes with PTX, IR and log even where its machine code is enough
  int audit = 0;          // one hit in so many is compiled again and compared; 0: none
  std::string record;     // file to which each distinct spec line is appended
  std::chrono::milliseconds lock_timeout{10'000}, compile_timeout{120'000};
  std::string dump, dump_dir;
  EventHook on_event;

  static EngineOptions from(const Settings& settings);
};

}  // namespace pagejit
