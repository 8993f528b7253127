// Files by descriptor: no link is followed, and an interrupted or short call is not an error.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/cache/entry.h"

namespace pagejit::cache {

/// Owns a file descriptor; −1 is none.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// None, with errno set, where the name is absent, is a link, or may not be read.
Fd open_to_read(int folder, const std::string& name);
Fd open_folder(int parent, const std::string& name);
/// Names of a folder without "." and "..", sorted.
std::vector<std::string> names_in(int parent, const std::string& folder);
bool write_all(int fd, std::string_view bytes);

/// Reads through `fd`, which it owns. The first 64 KiB come in one call, so a small entry is one read.
/// Fails as Entry expects it: by giving fewer bytes.
ReadAt reader(Fd fd);
/// −1 where it cannot be told.
std::int64_t size_of(int fd);

}  // namespace pagejit::cache
