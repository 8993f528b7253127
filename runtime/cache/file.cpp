#include "runtime/cache/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>

namespace pagejit::cache {
namespace {
constexpr std::size_t first_read = 64 << 10;

bool passing(int error) {
  return error == EINTR || error == EIO || error == ESTALE;
}

/// A network file system may fail once with EIO or ESTALE and then be well again. Fewer bytes: the second failure.
std::string read_at(int fd, std::uint64_t offset, std::size_t bytes) {
  std::string out(bytes, '\0');
  std::size_t got = 0;
  int failures = 0;
  while (got < bytes) {
    ssize_t n = pread(fd, out.data() + got, bytes - got, static_cast<off_t>(offset + got));
    if (n > 0) {
      got += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      if (++failures > 1) break;
    }
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
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  Fd fd(openat(folder, name.c_str(), flags));
  return fd || !passing(errno) ? std::move(fd) : Fd(openat(folder, name.c_str(), flags));
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

Modes modes_in(int folder) {
  struct stat status;
  bool group = fstat(folder, &status) == 0 && (status.st_mode & S_IWGRP);
  return group ? Modes{0660, 02770} : Modes{0600, 0700};
}

Fd open_to_write(int folder, const std::string& name, int flags) {
  Modes modes = modes_in(folder);
  Fd fd(openat(folder, name.c_str(), flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, modes.file));
  // The umask may have taken the group's rights; where the file is another member's, they are right already.
  if (fd && modes.file != 0600) fchmod(fd.get(), modes.file);
  return fd;
}

void make_folder(int parent, const std::string& name) {
  Modes modes = modes_in(parent);
  if (mkdirat(parent, name.c_str(), modes.folder) == 0 && modes.folder != 0700)
    fchmodat(parent, name.c_str(), modes.folder, 0);
}

std::string read_small(int folder, const std::string& name) {
  Fd fd = open_to_read(folder, name);
  std::int64_t size = fd ? size_of(fd.get()) : -1;
  return size > 0 ? read_at(fd.get(), 0, static_cast<std::size_t>(size)) : std::string();
}

bool replace_small(int folder, const std::string& name, std::string_view bytes) {
  std::string temporary = temporary_name();
  Fd fd = open_to_write(folder, temporary, O_WRONLY | O_EXCL);
  if (!fd) return false;
  bool done = write_all(fd.get(), bytes) && renameat(folder, temporary.c_str(), folder, name.c_str()) == 0;
  if (!done) unlinkat(folder, temporary.c_str(), 0);
  return done;
}

std::string temporary_name() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  // The process in the name: a forked child's random numbers are its parent's.
  return fmt::format("tmp/{}-{:016x}", getpid(), random());
}

ReadAt reader(Fd fd, std::uint64_t size) {
  struct State {
    Fd fd;
    std::uint64_t size;
    std::string front;
    std::string read(std::uint64_t offset, std::size_t bytes) const {
      std::size_t there = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, size - std::min(size, offset)));
      std::string got = read_at(fd.get(), offset, there);
      if (got.size() < there) throw ReadFailed();
      return got;
    }
  };
  auto state = std::make_shared<State>(State{std::move(fd), size, {}});
  state->front = state->read(0, first_read);
  return [state](std::uint64_t offset, std::size_t bytes) {
    if (offset + bytes <= state->front.size()) return state->front.substr(offset, bytes);
    return state->read(offset, bytes);
  };
}

std::int64_t size_of(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
}

}  // namespace pagejit::cache
