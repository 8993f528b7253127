#include "runtime/base/log.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>
#include <utility>

namespace pagejit {
namespace {
struct State {
  std::mutex lock;
  LogSink sink;
  std::set<std::string> warned;
};
/// Never destroyed: threads may still log while the process ends.
State& state() {
  static State* s = new State;
  return *s;
}
std::atomic<LogLevel> level_now{LogLevel::warn};

constexpr std::string_view prefix(LogLevel level) {
  constexpr std::string_view names[] = {"", "error: ", "warning: ", "", "debug: "};
  return names[static_cast<int>(level)];
}
}  // namespace

bool logs(LogLevel level) {
  return level <= level_now.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view text) {
  if (!logs(level)) return;
  std::lock_guard hold(state().lock);
  if (state().sink) return state().sink(level, text);
  std::string line = fmt::format("pagejit: {}{}\n", prefix(level), text);
  std::fwrite(line.data(), 1, line.size(), stderr);  // one write, so that threads and ranks do not mix their lines
}

void warn_once(const std::string& cause, std::string_view text) {
  {
    std::lock_guard hold(state().lock);
    if (!state().warned.insert(cause).second) return;
  }
  log(LogLevel::warn, text);
}

void set_log_level(LogLevel level) {
  level_now = level;
}

LogSink set_log_sink(LogSink sink) {
  std::lock_guard hold(state().lock);
  return std::exchange(state().sink, std::move(sink));
}

void forget_warnings() {
  std::lock_guard hold(state().lock);
  state().warned.clear();
}

}  // namespace pagejit
