// Says that something takes too long, while it still does.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace pagejit {

class Watchdog {
 public:
  /// Calls `late` once, on a thread of its own, if it still lives after that time.
  Watchdog(std::chrono::milliseconds limit, std::function<void()> late)
      : thread_([this, limit, late = std::move(late)] {
          std::unique_lock hold(lock_);
          if (!ended_.wait_for(hold, limit, [this] { return done_; })) late();
        }) {}
  ~Watchdog() {
    {
      std::lock_guard hold(lock_);
      done_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;

 private:
  std::mutex lock_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace pagejit
