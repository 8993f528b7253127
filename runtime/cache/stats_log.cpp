#include "runtime/cache/stats_log.h"

#include <fcntl.h>

#include "runtime/base/text.h"
#include "runtime/cache/file.h"
#include "runtime/cache/lock.h"

namespace pagejit::cache {
namespace {
constexpr std::int64_t most_bytes = 1 << 20;
constexpr std::chrono::milliseconds patience{50};  // a lost line of statistics is worth no more

bool is_long(int folder) {
  Fd fd = open_to_read(folder, "stats.log");
  return fd && size_of(fd.get()) > most_bytes;
}
}  // namespace

void append_stats(int folder, const Counters& counters) {
  if (counters.empty()) return;
  // The lock only keeps the line from falling between a folding's read and its rename.
  ByteLock lock(folder, stats_byte);
  lock.take(patience);
  // It begins with a line's end: whatever torn line is there, this one is whole.
  Fd fd = open_to_write(folder, "stats.log", O_WRONLY | O_APPEND);
  if (fd) write_all(fd.get(), "\n" + counters.line() + "\n");
}

std::vector<Counters> read_stats(int folder) {
  std::vector<Counters> all;
  std::string text = read_small(folder, "stats.log");
  for (std::string_view line : split(text, '\n'))
    if (std::optional<Counters> counters = Counters::parse(line)) all.push_back(std::move(*counters));
  return all;
}

void fold_stats(int folder) {
  if (!is_long(folder)) return;
  ByteLock lock(folder, stats_byte);
  lock.take(patience);
  Counters sum;
  for (const Counters& counters : read_stats(folder)) sum.add(counters);
  replace_small(folder, "stats.log", sum.line() + "\n");
}

bool zero_stats(int folder) {
  ByteLock lock(folder, stats_byte);
  lock.take(patience);
  return replace_small(folder, "stats.log", "");
}

}  // namespace pagejit::cache
