// Files by descriptor: no link is followed, and an interrupted or short call is not an error.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/error.h"
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

/// The bytes are there, but the file system did not give them: no damage, and a second try may do better.
class ReadFailed : public Error {
 public:
  ReadFailed() : Error(Code::unsafe_cache, "a cache file cannot be read") {}
};

/// None, with errno set, where the name is absent, is a link, or may not be read.
Fd open_to_read(int folder, const std::string& name);
Fd open_folder(int parent, const std::string& name);
/// Names of a folder without "." and "..", sorted.
std::vector<std::string> names_in(int parent, const std::string& folder);
bool write_all(int fd, std::string_view bytes);

/// Modes of new files and folders: for this user only, or for the group as well where `folder` itself is open to it.
struct Modes {
  unsigned file, folder;
};
Modes modes_in(int folder);
/// Opens `name`, made with the folder's mode where it is absent; `flags` as of open(2).
Fd open_to_write(int folder, const std::string& name, int flags);
void make_folder(int parent, const std::string& name);

/// A whole small file; empty where it is absent.
std::string read_small(int folder, const std::string& name);
/// Puts a whole small file in the place of another, or changes nothing.
bool replace_small(int folder, const std::string& name, std::string_view bytes);
/// A name in tmp/ that no other process or thread uses.
std::string temporary_name();

/// Reads through `fd`, which it owns, a file of `size` bytes. The first 64 KiB come in one call, so a small entry is
/// one read. Gives fewer bytes past the end, and throws ReadFailed where bytes before it do not come.
ReadAt reader(Fd fd, std::uint64_t size);
/// −1 where it cannot be told.
std::int64_t size_of(int fd);

}  // namespace pagejit::cache
