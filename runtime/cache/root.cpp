#include "runtime/cache/root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

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

bool in_group(gid_t group) {
  if (group == getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
  int count = getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.begin() + count, group) != groups.begin() + count;
}

void check_owner(const std::string& path, int fd, Access access) {
  struct stat status;
  if (fstat(fd, &status) != 0) unusable(path, std::strerror(errno));
  bool shared = access == Access::group && in_group(status.st_gid);
  bool ours = status.st_uid == geteuid() || (access == Access::read_only && status.st_uid == 0) || shared;
  if (!ours) unusable(path, "the folder belongs to another user", &status);
  mode_t refused = access == Access::own ? S_IWGRP | S_IWOTH : S_IWOTH;
  if (status.st_mode & refused) unusable(path, "others may write into the folder", &status);
}

/// The one folder whose mode decides that of everything below it.
void make_v1(int root, Access access) {
  if (mkdirat(root, "v1", 0700) == 0 && access == Access::group) fchmodat(root, "v1", 02770, 0);
}
}  // namespace

void make_inside(int v1) {
  for (const char* name : {"objects", "tmp", "bad"}) make_folder(v1, name);
  Fd file = open_to_write(v1, "CACHEDIR.TAG", O_WRONLY | O_EXCL);
  if (file) write_all(file.get(), tag);
}

std::string private_root(const Settings& settings) {
  if (!settings.cache_dir.empty()) return settings.cache_dir;
  if (!settings.xdg_cache_home.empty()) return settings.xdg_cache_home + "/pagejit";
  if (!settings.home.empty()) return settings.home + "/.cache/pagejit";
  return {};
}

Fd open_root(const std::string& path, Access access) {
  bool make = access != Access::read_only;
  if (make) make_folders(path);
  Fd root(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) unusable(path, std::strerror(errno));
  check_owner(path, root.get(), access);
  if (make) make_v1(root.get(), access);
  Fd v1 = open_folder(root.get(), "v1");
  if (!v1) unusable(path + "/v1", std::strerror(errno));
  check_owner(path + "/v1", v1.get(), access);
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
