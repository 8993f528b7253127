// A thread that speaks to a store, so that nobody else waits longer than they want: not for a name server, not for a
// file system that hangs.
#pragma once
#include <functional>
#include <memory>

#include "runtime/cache/remote.h"

namespace pagejit::cache {

class Courier {
 public:
  using Connect = std::function<std::unique_ptr<Store>()>;
  /// Gives the courier's store, which is made for the first job that asks. May throw what `connect` throws.
  using Open = std::function<Store&()>;
  using Job = std::function<void(const Open&)>;  // must not throw

  Courier(Connect connect, std::size_t most_waiting);
  /// Drops what is waiting, and leaves the thread to end by itself: it may be inside a call that never returns.
  ~Courier();
  Courier(const Courier&) = delete;

  /// Takes a job, in order. False: too many are waiting.
  bool post(Job job);
  /// Waits until all jobs are done, at most that long, and says whether they are.
  bool finish(Milliseconds most);

 private:
  struct State;
  static void serve(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
  int pid_;
};

}  // namespace pagejit::cache
