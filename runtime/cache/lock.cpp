#include "runtime/cache/lock.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace pagejit::cache {
namespace {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

int set_lock(int fd, short kind, std::int64_t byte) {
  struct flock range {};
  range.l_type = kind;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  int result;
  do result = fcntl(fd, F_OFD_SETLK, &range);
  while (result != 0 && errno == EINTR);
  return result;
}

milliseconds pause_after(int waits, Clock::duration waited) {
  return waited >= std::chrono::seconds(1) ? milliseconds(50) : milliseconds(std::min(10, 1 + waits));
}
}  // namespace

ByteLock::ByteLock(int folder, std::int64_t byte) : file_(open_to_write(folder, "lock", O_RDWR)), byte_(byte) {}

ByteLock::~ByteLock() {
  if (held_ && file_) set_lock(file_.get(), F_UNLCK, byte_);
}

ByteLock::Answer ByteLock::try_take() {
  if (!file_) return Answer::unavailable;
  if (set_lock(file_.get(), F_WRLCK, byte_) == 0) {
    held_ = true;
    return Answer::held;
  }
  return errno == EAGAIN || errno == EACCES ? Answer::busy : Answer::unavailable;
}

bool ByteLock::take(milliseconds most) {
  return wait_for_turn(*this, most, [] { return false; }) == Turn::ours;
}

Turn wait_for_turn(ByteLock& lock, milliseconds most, const std::function<bool()>& found) {
  auto start = Clock::now();
  for (int waits = 0;; ++waits) {
    switch (lock.try_take()) {
      case ByteLock::Answer::held:
        return Turn::ours;
      case ByteLock::Answer::unavailable:
        return Turn::without;
      case ByteLock::Answer::busy:
        break;
    }
    auto waited = Clock::now() - start;
    if (waited >= most) return Turn::late;
    std::this_thread::sleep_for(std::min<Clock::duration>(pause_after(waits, waited), most - waited));
    if (found()) return Turn::found;
  }
}

}  // namespace pagejit::cache
