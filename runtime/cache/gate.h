// Whether a store is asked at all. One that fails is left alone, and may cost a process so much time and no more.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "runtime/cache/counters.h"
#include "runtime/cache/remote.h"

namespace pagejit::cache {

class Gate {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    Milliseconds patience{300};   // for all failures together since the last success
    Milliseconds closed{60'000};  // how long it is left alone
    int failures = 3;             // one after the other
  };
  /// `journal` is told of each failure; it may be null.
  Gate(std::string store, Limits limits, std::shared_ptr<Journal> journal)
      : store_(std::move(store)), limits_(limits), journal_(std::move(journal)), patience_(limits.patience) {}

  bool open() const;
  /// What failures may still cost.
  Milliseconds patience() const;
  void succeeded();
  /// A request failed, and somebody has waited for it that long.
  void failed(const Error& error, Milliseconds lost);
  /// True once each time that the gate has been closed for long enough: whoever is told so tries the store, on nobody's
  /// time, and says how it went.
  bool probe_due();

 private:
  bool closes(Milliseconds lost);

  const std::string store_;
  const Limits limits_;
  const std::shared_ptr<Journal> journal_;
  mutable std::mutex lock_;
  Milliseconds patience_;
  int failures_ = 0;
  bool closed_ = false;
  Clock::time_point closed_until_;
};

}  // namespace pagejit::cache
