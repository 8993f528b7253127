// One byte of the file `lock`, held by one thread of one process at a time. Locks save work; correctness never rests on
// them.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>

#include "runtime/cache/file.h"

namespace pagejit::cache {

/// Bytes 0 … 2^30 − 1 are keys; those of the folder's own files follow.
constexpr std::int64_t key_bytes = std::int64_t{1} << 30;
constexpr std::int64_t size_byte = key_bytes, collection_byte = key_bytes + 1, stats_byte = key_bytes + 2,
                       pins_byte = key_bytes + 3;

class ByteLock {
 public:
  /// Opens the file, and takes nothing yet. Each lock has a description of its own, so that threads exclude each other
  /// as processes do.
  ByteLock(int folder, std::int64_t byte);
  ByteLock(ByteLock&&) = default;
  /// Unlocks by name rather than by closing: a forked child may hold a copy of the description.
  ~ByteLock();

  enum class Answer { held, busy, unavailable };
  /// Never waits. `unavailable`: this file system has no locks, or the folder is read-only.
  Answer try_take();
  /// Waits at most that long, and says whether the lock is held.
  bool take(std::chrono::milliseconds most);

 private:
  Fd file_;
  std::int64_t byte_;
  bool held_ = false;
};

enum class Turn {
  ours,     // the lock is held
  found,    // somebody else made what was wanted
  without,  // there are no locks here
  late,     // the time has passed
};

/// Takes the lock, or waits until `found` says that waiting is over. It is asked after each wait: 1, 2, … 10 ms, and
/// 50 ms from the first second on.
Turn wait_for_turn(ByteLock& lock, std::chrono::milliseconds most, const std::function<bool()>& found);

}  // namespace pagejit::cache
