#include "runtime/cache/trust.h"

#include <fmt/format.h>
#include <unistd.h>

#include "runtime/base/error.h"

namespace pagejit::cache {

void require_trusted(const std::string& path, const struct stat& status, mode_t refused_bits,
                     const std::string& instead) {
  bool ours = status.st_uid == geteuid() || status.st_uid == 0;
  if (ours && !(status.st_mode & refused_bits)) return;
  fail(Code::unsafe_cache, ours ? "a file is open to others" : "a file belongs to another user",
       {{"path", path},
        {"owner", fmt::format("user {} (this process runs as {})", status.st_uid, geteuid())},
        {"mode", fmt::format("{:04o}", status.st_mode & 07777)},
        {"instead", instead}});
}

}  // namespace pagejit::cache
