// What happens to kernels on their way to a launch, for whoever counts, logs or traces it.
#pragma once
#include <cstdint>
#include <functional>
#include <iterator>
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

/// "hit", "miss", "remote_error": the enumerator's name.
constexpr std::string_view name_of(Event::Kind kind) {
  constexpr std::string_view names[] = {"hit",      "miss",       "wait",  "compile",      "assemble", "store",
                                        "fallback", "quarantine", "evict", "remote_error", "audit"};
  static_assert(std::size(names) == static_cast<std::size_t>(Event::Kind::audit) + 1);
  return names[static_cast<std::size_t>(kind)];
}

/// Told of each event on the thread that it happens on: one that loads, launches or prepares, or one of the cache's
/// own; perhaps on several at once. Never of launches of kernels that are loaded. It must return soon, for that thread
/// waits (and with it those that want the same kernel), must not throw, and may ask for statistics but must not load,
/// prepare or launch.
using EventHook = std::function<void(const Event&)>;

/// Calls it, if there is one. What it throws all the same costs one warning.
void tell(const EventHook& hook, const Event& event) noexcept;

}  // namespace pagejit
