// How a folder changes: entries appear whole or not at all, and useless ones are moved aside.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
bool is_full(int error) {
  return error == ENOSPC || error == EDQUOT;
}
}  // namespace

void Disk::cannot_write(int error) {
  if (is_full(error) || error == EROFS) writable_ = false;
  warn_once(
      "store " + path_,
      Error(Code::unsafe_cache, "the kernel cache does not take new entries",
            {{"path", path_}, {"reason", std::strerror(error)}, {"instead", "compiled kernels are used, but not kept"}})
          .what());
}

void Disk::put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) {
  if (!writable_) return;
  try {
    std::string file = entry_name(request, artifact.producer), bytes = write_entry(artifact, history);
    struct stat before {};
    bool known = replace && fstatat(folder(), (shard_of(file) + "/" + file).c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
    int error = publish(file, bytes, replace);
    if (is_full(error)) {
      Usage now = total_of(list_entries(folder()), 0);
      collect_down_to({now.bytes / 5 * 4, now.entries / 5 * 4});
      error = publish(file, bytes, replace);
    } else if (error == ENOENT) {  // somebody emptied the cache under us
      make_inside(folder());
      error = publish(file, bytes, replace);
    }
    if (error == EEXIST) return;  // another won, and its bytes will do
    if (error != 0) return cannot_write(error);
    note_store(request, static_cast<std::int64_t>(bytes.size()) - (known ? before.st_size : 0), known ? 0 : 1);
  } catch (const Error& e) {
    warn_once("write " + path_, fmt::format("a kernel is not kept: {}", e.message()));
  }
}

/// Gives 0 or the errno of what failed.
int Disk::publish(const std::string& file, std::string_view bytes, bool replace) {
  std::string temporary = temporary_name();
  Fd fd = open_to_write(folder(), temporary, O_WRONLY | O_EXCL);
  if (!fd) return errno;
  // No fsync: after a power cut a torn file fails its hashes and is made again.
  int error = write_all(fd.get(), bytes) ? 0 : errno;
  if (error == 0) {
    make_folder(folder(), shard_of(file));
    error = move_into_place(temporary, shard_of(file) + "/" + file, replace);
  }
  unlinkat(folder(), temporary.c_str(), 0);
  return error;
}

/// `link` is the only one of the three that every file system makes atomic; some have no links.
int Disk::move_into_place(const std::string& from, const std::string& to, bool replace) {
  int in = folder();
  auto rename_over = [&] { return renameat(in, from.c_str(), in, to.c_str()) == 0 ? 0 : errno; };
  if (replace) return rename_over();
  if (linkat(in, from.c_str(), in, to.c_str(), 0) == 0) return 0;
  if (errno == EEXIST || is_full(errno)) return errno;
  if (renameat2(in, from.c_str(), in, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  return errno == EEXIST || is_full(errno) ? errno : rename_over();
}

void Disk::note_store(const Request& request, std::int64_t bytes, std::int64_t entries) {
  note({.kind = Event::Kind::store, .layer = kind(), .spec_line = request.spec_line, .target = request.target});
  Usage now = add_usage(folder(), bytes, entries);
  if (needs_collection(now, options_.limits, std::time(nullptr))) collect_down_to(options_.limits);
}

void Disk::collect_down_to(const Limits& limits) {
  Collected collected = collect(folder(), limits);
  if (collected.evicted.entries > 0)
    note({.kind = Event::Kind::evict, .layer = kind(), .count = collected.evicted.entries});
}

std::string Disk::put_aside(const std::string& file) {
  std::string from = shard_of(file) + "/" + file, to = "bad/" + file;
  if (!writable_ || renameat(folder(), from.c_str(), folder(), to.c_str()) != 0) return {};
  prune_bad();
  return path_ + "/v1/" + to;
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
