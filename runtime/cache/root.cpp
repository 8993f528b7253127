#include "runtime/cache/root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/error.h"
#include "runtime/base/text.h"

namespace pagejit::cache {
namespace {
constexpr char tag[] =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of compiled kernels. It can be deleted at any time.\n";

[[noreturn]] void unusable(const std::string& path, const std::string& why, const struct stat* status = nullptr) {
  Error::Fields fields{{"path", path}};
  if (status) {
    fields.emplace_back("owner", fmt::format("user {} (this process runs as {})", status->st_uid, geteuid()));
    fields.emplace_back("mode", fmt::format("{:04o}", status->st_mode & 07777));
  }
  fields.emplace_back("instead", "kernels are kept in memory only");
  fail(Code::unsafe_cache, "the kernel cache cannot be used: " + why, std::move(fields));
}

/// mkdir -p, each new folder for this user only. Failures show when the folder is opened.
void make_folders(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    mkdir(path.substr(0, end).c_str(), 0700);
    if (end == std::string::npos) return;
  }
}

void check_owner(const std::string& path, int fd, bool may_be_roots) {
  struct stat status;
  if (fstat(fd, &status) != 0) unusable(path, std::strerror(errno));
  bool ours = status.st_uid == geteuid() || (may_be_roots && status.st_uid == 0);
  if (!ours) unusable(path, "the folder belongs to another user", &status);
  if (status.st_mode & (S_IWGRP | S_IWOTH)) unusable(path, "others may write into the folder", &status);
}

void make_inside(int v1) {
  for (const char* name : {"objects", "tmp", "bad"}) mkdirat(v1, name, 0700);
  Fd file(openat(v1, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file) write_all(file.get(), tag);
}
}  // namespace

std::string private_root(const Settings& settings) {
  if (!settings.cache_dir.empty()) return settings.cache_dir;
  if (!settings.xdg_cache_home.empty()) return settings.xdg_cache_home + "/pagejit";
  if (!settings.home.empty()) return settings.home + "/.cache/pagejit";
  return {};
}

Fd open_root(const std::string& path, bool make) {
  if (make) make_folders(path);
  Fd root(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) unusable(path, std::strerror(errno));
  check_owner(path, root.get(), !make);
  if (make) mkdirat(root.get(), "v1", 0700);
  Fd v1 = open_folder(root.get(), "v1");
  if (!v1) unusable(path + "/v1", std::strerror(errno));
  check_owner(path + "/v1", v1.get(), !make);
  if (make) make_inside(v1.get());
  return v1;
}

std::string entry_prefix(const Request& request) {
  return fmt::format("{}-{}-", hex64(request.spec_id), hex64(request.key_id));
}

std::string entry_name(const Request& request, std::string_view producer) {
  return fmt::format("{}{}.pj", entry_prefix(request), hex64(hash64(producer)));
}

std::string shard_of(std::string_view entry_name) {
  return fmt::format("objects/{}", entry_name.substr(0, 2));
}

}  // namespace pagejit::cache
