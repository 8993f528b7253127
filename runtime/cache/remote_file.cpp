// A folder as a store, on a network file system or under a web server: DIR/v1/<name>.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/cache/file.h"
#include "runtime/cache/remote.h"
#include "runtime/cache/trust.h"

namespace pagejit::cache {
namespace {
class FileStore : public Store {
 public:
  FileStore(std::string path, bool own) : path_(std::move(path)), own_(own) {}

  std::optional<std::string> get(const std::string& name, Transfer&) override {
    Fd folder = open_v1();
    if (!folder && errno != ENOENT) failed("cannot be opened");
    Fd fd = folder ? open_to_read(folder.get(), name) : Fd();
    if (!fd && folder && errno != ENOENT) failed("does not give " + name);
    std::int64_t size = fd ? size_of(fd.get()) : -1;
    if (size < 0) return std::nullopt;
    auto bytes = static_cast<std::uint64_t>(size);
    if (bytes > most_total) failed("has an entry that is too large");
    try {
      return reader(std::move(fd), bytes)(0, bytes);
    } catch (const ReadFailed&) {
      failed("does not give " + name);
    }
  }

  void put(const std::string& name, std::string_view bytes, Transfer&) override {
    // 0777 and 0666, for whoever the folder is shared with: the umask decides.
    mkdir((path_ + "/v1").c_str(), 0777);
    Fd folder = open_v1();
    if (!folder) failed("cannot be opened");
    mkdirat(folder.get(), "tmp", 0777);
    std::string temporary = temporary_name();
    Fd fd(openat(folder.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!fd) failed("does not take " + name);
    if (write_all(fd.get(), bytes) && renameat(folder.get(), temporary.c_str(), folder.get(), name.c_str()) == 0)
      return;
    int error = errno;
    unlinkat(folder.get(), temporary.c_str(), 0);
    errno = error;
    failed("does not take " + name);
  }

 private:
  Fd open_v1() const {
    std::string path = path_ + "/v1";
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status;
    if (fd && own_ && fstat(fd.get(), &status) == 0)
      require_trusted(path, status, S_IWOTH, "nothing is taken from it without a key (PAGEJIT_HMAC_KEY_FILE)");
    return fd;
  }
  [[noreturn]] void failed(const std::string& what) const {
    throw StoreFailed("the folder " + what + ": " + std::strerror(errno));
  }

  std::string path_;
  bool own_;
};
}  // namespace

std::unique_ptr<Store> open_file_store(const RemoteUrl& url, StoreOptions options) {
  return std::make_unique<FileStore>(url.path, options.own_folder);
}

}  // namespace pagejit::cache
