#include "runtime/cache/usage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "runtime/cache/file.h"
#include "runtime/cache/lock.h"

namespace pagejit::cache {
namespace {
std::uint64_t moved(std::uint64_t value, std::int64_t by) {
  return by < 0 ? value - std::min(value, static_cast<std::uint64_t>(-by)) : value + static_cast<std::uint64_t>(by);
}
}  // namespace

Usage read_usage(int folder) {
  unsigned long long bytes = 0, entries = 0;
  long long counted = 0;
  std::string text = read_small(folder, "size");
  if (std::sscanf(text.c_str(), "%20llu %20llu %20lld end", &bytes, &entries, &counted) != 3 ||
      !text.ends_with(" end\n"))
    return {};
  return {bytes, entries, counted};
}

void write_usage(int folder, const Usage& usage) {
  // Of one width, and in one call: a reader without a lock sees the old numbers or the new ones.
  std::string text = fmt::format("{:20} {:20} {:20} end\n", usage.bytes, usage.entries, usage.counted);
  Fd fd = open_to_write(folder, "size", O_WRONLY);
  if (fd && pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) ftruncate(fd.get(), 0);
}

Usage add_usage(int folder, std::int64_t bytes, std::int64_t entries) {
  ByteLock lock(folder, size_byte);
  lock.take(std::chrono::milliseconds(50));
  Usage usage = read_usage(folder);
  usage.bytes = moved(usage.bytes, bytes);
  usage.entries = moved(usage.entries, entries);
  write_usage(folder, usage);
  return usage;
}

}  // namespace pagejit::cache
