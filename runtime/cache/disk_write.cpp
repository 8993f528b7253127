// How a folder changes: entries appear whole or not at all, and useless ones are moved aside.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
std::string temporary_name() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  // The process in the name: files of one that died can be told from those of one that is still writing.
  return fmt::format("tmp/{}-{:016x}", getpid(), random());
}

std::string reason() {
  return std::strerror(errno);
}
}  // namespace

void Disk::cannot_write(const std::string& what) {
  bool full = errno == ENOSPC || errno == EDQUOT || errno == EROFS;
  warn_once("store " + path_,
            fmt::format("the kernel cache {} does not take new entries ({}: {}); compiled kernels are "
                        "used but not kept",
                        path_, what, reason()));
  if (full) writable_ = false;
}

void Disk::put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) {
  if (!writable_) return;
  try {
    publish(entry_name(request, artifact.producer), write_entry(artifact, history), replace);
  } catch (const Error& e) {
    warn_once("write " + path_, fmt::format("a kernel is not kept: {}", e.message()));
  }
}

bool Disk::publish(const std::string& file, std::string_view bytes, bool replace) {
  std::string temporary = temporary_name();
  Fd fd(openat(folder_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    cannot_write("open");
    return false;
  }
  // No fsync: after a power cut a torn file fails its hashes and is made again.
  if (!write_all(fd.get(), bytes)) {
    cannot_write("write");
    unlinkat(folder_.get(), temporary.c_str(), 0);
    return false;
  }
  mkdirat(folder_.get(), shard_of(file).c_str(), 0700);
  bool placed = move_into_place(temporary, shard_of(file) + "/" + file, replace);
  if (!placed && errno != EEXIST) cannot_write("link");
  int kept = errno;
  unlinkat(folder_.get(), temporary.c_str(), 0);
  errno = kept;
  return placed;
}

bool Disk::move_into_place(const std::string& from, const std::string& to, bool replace) {
  int folder = folder_.get();
  if (replace) return renameat(folder, from.c_str(), folder, to.c_str()) == 0;
  if (linkat(folder, from.c_str(), folder, to.c_str(), 0) == 0) return true;
  if (errno == EEXIST) return false;  // another won, and its bytes will do
  if (renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  return renameat(folder, from.c_str(), folder, to.c_str()) == 0;
}

void Disk::reject(const std::string& file, const std::string& reason) {
  std::string from = shard_of(file) + "/" + file, to = "bad/" + file;
  bool moved = writable_ && renameat(folder_.get(), from.c_str(), folder_.get(), to.c_str()) == 0;
  if (moved) prune_bad();
  warn_once("damaged " + path_, Error(Code::damaged, "a cache entry is not used: " + reason,
                                      {{"layer", path_},
                                       {"name", file},
                                       {"moved to", moved ? path_ + "/v1/" + to : "nowhere: the layer is only read"},
                                       {"instead", "the kernel is made again"}})
                                    .what());
}

void Disk::prune_bad() {
  constexpr std::size_t most = 64;
  constexpr std::time_t week = 7 * 24 * 3600;
  std::vector<std::pair<std::time_t, std::string>> by_age;
  for (const std::string& name : names_in(folder_.get(), "bad")) {
    struct stat status;
    if (fstatat(folder_.get(), ("bad/" + name).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      by_age.emplace_back(status.st_ctime, name);
  }
  std::sort(by_age.rbegin(), by_age.rend());
  for (std::size_t i = 0; i < by_age.size(); ++i)
    if (i >= most || std::time(nullptr) - by_age[i].first > week)
      unlinkat(folder_.get(), ("bad/" + by_age[i].second).c_str(), 0);
}

}  // namespace pagejit::cache
