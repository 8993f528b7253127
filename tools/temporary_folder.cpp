#include "tools/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/base/error.h"

namespace pagejit {

TemporaryFolder::TemporaryFolder() {
  std::error_code none;
  std::filesystem::path parent = std::filesystem::temp_directory_path(none);
  path_ = (none ? std::filesystem::path("/tmp") : parent) / "pagejit-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr)
    fail(Code::unsafe_cache, "cannot make a temporary folder", {{"path", path_}, {"reason", std::strerror(errno)}});
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pagejit
