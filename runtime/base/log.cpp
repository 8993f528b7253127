#include "runtime/base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <utility>

namespace pagejit {
namespace {
struct State {
  std::mutex lock;
  LogSink sink;
  std::set<std::string> warned;
  int file = STDERR_FILENO;
  bool json = false;
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

constexpr std::string_view name_of(LogLevel level) {
  constexpr std::string_view names[] = {"off", "error", "warn", "info", "debug"};
  return names[static_cast<int>(level)];
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string json_line(LogLevel level, std::string_view text) {
  double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return fmt::format("{{\"time\": {:.3f}, \"pid\": {}, \"level\": \"{}\", \"text\": {}}}\n", now, getpid(),
                     name_of(level), json_string(text));
}
}  // namespace

bool logs(LogLevel level) {
  return level <= level_now.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view text) {
  if (!logs(level)) return;
  std::lock_guard hold(state().lock);
  if (state().sink) return state().sink(level, text);
  std::string line = state().json ? json_line(level, text) : fmt::format("pagejit: {}{}\n", prefix(level), text);
  // One write, so that threads and ranks do not mix their lines. Nobody can be told that it failed.
  [[maybe_unused]] ssize_t written = write(state().file, line.data(), line.size());
}

void log_to(const std::string& file, bool json) {
  int fd = file.empty() ? STDERR_FILENO : open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  {
    std::lock_guard hold(state().lock);
    state().json = json;
    int before = std::exchange(state().file, fd < 0 ? STDERR_FILENO : fd);
    if (before != STDERR_FILENO) close(before);
  }
  if (fd < 0) warn_once("log file", fmt::format("the log file {} cannot be opened; stderr is used", file));
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
