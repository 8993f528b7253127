// What the library says without being asked. Errors are thrown; this is for warnings and for curiosity.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace pagejit {

enum class LogLevel { off, error, warn, info, debug };

bool logs(LogLevel level);
/// One line on stderr, "pagejit: warning: …", if the level is on.
void log(LogLevel level, std::string_view text);
/// As a warning, and only the first time for this cause in this process.
void warn_once(const std::string& cause, std::string_view text);

void set_log_level(LogLevel level);
/// Appends to a file instead of stderr (empty: stderr), and as JSON {"time": seconds, "pid": …, "level": "warn",
/// "text": …}, an object a line. A file that cannot be opened costs a warning on stderr.
void log_to(const std::string& file, bool json);
using LogSink = std::function<void(LogLevel, std::string_view)>;
/// Null goes back to stderr. Gives the sink that was there; for tests and for hosts with a log of their own.
LogSink set_log_sink(LogSink sink);
/// As if no cause had been warned about yet; for tests.
void forget_warnings();

}  // namespace pagejit
