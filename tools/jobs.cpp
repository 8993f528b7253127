#include "tools/jobs.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/settings.h"
#include "runtime/base/text.h"

namespace pagejit {

std::size_t usual_jobs() {
  if (auto jobs = parse_count(Settings::process().jobs).value_or(0); jobs > 0) return jobs;
  return std::max(1u, std::thread::hardware_concurrency());
}

void in_parallel(std::size_t count, std::size_t jobs, const std::function<void(std::size_t)>& act) {
  std::atomic<std::size_t> next = 0;
  std::mutex lock;
  std::exception_ptr failure;
  auto work = [&] {
    for (std::size_t i; (i = next++) < count;) try {
        act(i);
      } catch (...) {
        std::lock_guard hold(lock);
        if (!failure) failure = std::current_exception();
        next = count;
      }
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < std::min(jobs, count); ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace pagejit
