#include "tools/precompile/progress.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

namespace pagejit::precompile {
namespace {
using namespace std::chrono_literals;
constexpr auto on_terminal = 100ms, in_pipe = 5000ms;
}  // namespace

std::string Count::text() const {
  std::string line = fmt::format("[{}/{}] {} compiling, {} cached", done, total, compiling, cached);
  // Cached ones cost nothing: what the others took says what is to come.
  if (std::size_t compiled = done - cached; compiled > 0 && done < total)
    line += fmt::format(", ETA {:.0f} s",
                        std::ceil(seconds / static_cast<double>(compiled) * static_cast<double>(total - done)));
  return line;
}

Progress::Progress(std::size_t total, bool terminal) : terminal_(terminal) {
  count_.total = total;
}

void Progress::started() {
  std::lock_guard hold(lock_);
  ++count_.compiling;
}

void Progress::finished(const Variant& variant) {
  std::lock_guard hold(lock_);
  --count_.compiling;
  ++count_.done;
  if (variant.from_cache) ++count_.cached;
}

void Progress::wake() {
  std::lock_guard hold(lock_);
  changed_.notify_all();
}

void Progress::watch(const std::function<bool()>& over) {
  std::unique_lock hold(lock_);
  auto period = terminal_ ? on_terminal : in_pipe;
  while (!changed_.wait_until(hold, shown_ + period, over)) show();
}

void Progress::show() {
  shown_ = Clock::now();
  count_.seconds = std::chrono::duration<double>(shown_ - start_).count();
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\033[K" : "", count_.text(), terminal_ ? "" : "\n");
  std::fflush(stderr);
}

void Progress::clear() {
  if (terminal_) fmt::print(stderr, "\r\033[K");
}

}  // namespace pagejit::precompile
