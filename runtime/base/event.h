// What happens to kernels on their way to a launch, for whoever counts, logs or traces it.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

namespace pagejit {

struct Event {
  enum class Kind {
    hit,           // `layer` had it
    miss,          // `cause` says why no layer had it
    wait,          // another process was making it
    compile,       // took `ms`, because of `cause`
    assemble,      // stored or new PTX became machine code
    store,         // kept in `layer`
    fallback,      // a kernel of weaker alignment serves: `cause` is its spec line
    quarantine,    // `layer` had a damaged or useless entry: `cause`
    evict,         // `count` entries left `layer`
    remote_error,  // `layer` did not answer: `cause`
    audit,         // a hit was compiled again; `cause` is empty where the code was the same
  };
  Kind kind;
  std::string_view layer = {}, cause = {}, spec_line = {}, target = {};  // good only during the call
  double ms = 0;
  std::uint64_t count = 1;
};

/// Told of each event on the thread that it happens on, perhaps on several at once. Must not throw.
using EventHook = std::function<void(const Event&)>;

}  // namespace pagejit
