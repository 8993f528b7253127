#include "runtime/cache/adopt.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/cache/bundle.h"
#include "runtime/cache/usage.h"

namespace pagejit::cache {
namespace {
constexpr char tree[] = "adopted";

std::string shard(const std::string& name) {
  return tree + ("/" + name.substr(0, 2));
}
std::string path_of(const std::string& file) {
  return shard(file) + "/" + file;
}
}  // namespace

Adopted::Adopted(const std::string& root, int folder, Options options)
    : EntryLayer(root + "/v1/" + tree, options.journal),
      options_(std::move(options)),
      folder_(fcntl(folder, F_DUPFD_CLOEXEC, 0)) {}

void Adopted::adopt(const std::string& file, const std::string& bytes) {
  if (!options_.write) return;
  struct stat status;
  if (fstatat(folder_.get(), path_of(file).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return;
  make_folder(folder_.get(), tree);
  make_folder(folder_.get(), shard(file));
  // What came from a folder is not signed; this process vouches for it from now on.
  std::string kept = options_.key ? options_.key->sign(bytes) : bytes;
  if (!replace_small(folder_.get(), path_of(file), kept)) return log(LogLevel::debug, "not adopted: " + file);
  Usage now = add_usage(folder_.get(), static_cast<std::int64_t>(kept.size()), 1);
  if (needs_collection(now, options_.limits, std::time(nullptr))) collect(folder_.get(), options_.limits);
}

std::vector<std::string> Adopted::names(const std::string& prefix) const {
  std::vector<std::string> shards, found;
  if (prefix.size() >= 2)
    shards = {prefix.substr(0, 2)};
  else
    shards = names_in(folder_.get(), tree);
  for (const std::string& one : shards)
    for (const std::string& file : names_in(folder_.get(), tree + ("/" + one)))
      if (file.starts_with(prefix) && file.ends_with(".pj")) found.push_back(file);
  return found;
}

std::optional<Entry> Adopted::open(const std::string& file) const {
  Fd fd = open_to_read(folder_.get(), path_of(file));
  std::int64_t size = fd ? size_of(fd.get()) : -1;
  if (size < 0) return std::nullopt;
  auto bytes = static_cast<std::uint64_t>(size);
  ReadAt read = reader(std::move(fd), bytes);
  if (!options_.key) return Entry::open(std::move(read), bytes);
  if (bytes > most_total) fail(Code::damaged, "it is too large");
  return open_checked(read(0, bytes), file, options_.key.get());
}

std::string Adopted::put_aside(const std::string& file) {
  std::string to = "bad/" + file;
  if (!options_.write || renameat(folder_.get(), path_of(file).c_str(), folder_.get(), to.c_str()) != 0) return {};
  return name() + "/../" + to;
}

void Adopted::used(const std::string& file) {
  struct stat status;
  if (options_.write && fstatat(folder_.get(), path_of(file).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      std::time(nullptr) - status.st_mtime > 3600)
    utimensat(folder_.get(), path_of(file).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

}  // namespace pagejit::cache
