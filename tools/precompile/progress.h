// How far a run is, on stderr: one line rewritten on a terminal, else a line every five seconds.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "tools/precompile/work.h"

namespace pagejit::precompile {

/// "[37/240] 2 compiling, 180 cached, ETA 8 s".
struct Count {
  std::size_t done = 0, total = 0, compiling = 0, cached = 0;
  double seconds = 0;  // since the start
  std::string text() const;
};

class Progress {
 public:
  Progress(std::size_t total, bool terminal);

  // From any thread.
  void started();
  void finished(const Variant& variant);
  void wake();

  /// Shows the state until `over` says true; wake() makes it ask.
  void watch(const std::function<bool()>& over);
  /// Takes the rewritten line away.
  void clear();

 private:
  void show();

  using Clock = std::chrono::steady_clock;
  bool terminal_;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
  std::mutex lock_;
  std::condition_variable changed_;
  Count count_;
};

}  // namespace pagejit::precompile
