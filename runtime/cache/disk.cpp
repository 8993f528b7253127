#include "runtime/cache/disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <string>

#include "runtime/base/text.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
Disk::Disk(std::string path, Use use, DiskOptions options)
    : EntryLayer(path, options.journal),
      path_(std::move(path)),
      use_(use),
      options_(std::move(options)),
      folder_(open_root(path_, use == Use::read_only ? Access::read_only
                               : options_.group      ? Access::group
                                                     : Access::own)),
      writable_(use == Use::read_write) {}

/// The one thing that a hit may write: the time of last use, to the hour.
void Disk::used(const std::string& file) {
  if (!writable_) return;
  std::string path = shard_of(file) + "/" + file;
  struct stat status;
  if (fstatat(folder(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && std::time(nullptr) - status.st_mtime > 3600)
    utimensat(folder(), path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

std::optional<Entry> Disk::open(const std::string& file) const {
  Fd fd = open_to_read(folder_.get(), shard_of(file) + "/" + file);
  if (!fd) return std::nullopt;
  std::int64_t size = size_of(fd.get());
  if (size < 0) return std::nullopt;
  auto bytes = static_cast<std::uint64_t>(size);
  return Entry::open(reader(std::move(fd), bytes), bytes);
}

std::vector<std::string> Disk::names(const std::string& prefix) const {
  std::vector<std::string> found, shards;
  if (prefix.size() >= 2)
    shards.push_back(shard_of(prefix));
  else
    for (const std::string& shard : names_in(folder(), "objects")) shards.push_back("objects/" + shard);
  for (const std::string& shard : shards)
    for (const std::string& file : names_in(folder(), shard))
      if (file.starts_with(prefix) && file.ends_with(".pj")) found.push_back(file);
  return found;
}

std::vector<Sibling> Disk::siblings(const Request& request) {
  std::vector<Sibling> found = EntryLayer::siblings(request);
  std::string spec = hex64(request.spec_id) + "-";
  for (const std::string& file : names_in(folder(), "bad"))
    if (file.starts_with(spec)) found.push_back({file, {}, {}, true});
  return found;
}

}  // namespace pagejit::cache
