#include "runtime/cache/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace pagejit::cache {
namespace {
constexpr std::size_t first_read = 64 << 10;

/// A network file system may fail once with EIO or ESTALE and then be well again.
std::string read_at(int fd, std::uint64_t offset, std::size_t bytes) {
  std::string out(bytes, '\0');
  std::size_t got = 0;
  int failures = 0;
  while (got < bytes) {
    ssize_t n = pread(fd, out.data() + got, bytes - got, static_cast<off_t>(offset + got));
    if (n == 0) break;
    if (n > 0)
      got += static_cast<std::size_t>(n);
    else if (errno != EINTR && ++failures > 1)
      break;
  }
  out.resize(got);
  return out;
}
}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd open_to_read(int folder, const std::string& name) {
  // NONBLOCK: somebody's FIFO of that name must not hold us up.
  return Fd(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
}

Fd open_folder(int parent, const std::string& name) {
  return Fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::vector<std::string> names_in(int parent, const std::string& folder) {
  std::vector<std::string> names;
  Fd fd = open_folder(parent, folder);
  DIR* open = fd ? fdopendir(dup(fd.get())) : nullptr;
  if (!open) return names;
  while (dirent* entry = readdir(open))
    if (std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

ReadAt reader(Fd fd) {
  struct State {
    Fd fd;
    std::string front;
  };
  auto state = std::make_shared<State>(State{std::move(fd), {}});
  state->front = read_at(state->fd.get(), 0, first_read);
  return [state](std::uint64_t offset, std::size_t bytes) {
    if (offset + bytes <= state->front.size()) return state->front.substr(offset, bytes);
    return read_at(state->fd.get(), offset, bytes);
  };
}

std::int64_t size_of(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
}

}  // namespace pagejit::cache
