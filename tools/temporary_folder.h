// A folder of one's own that is gone when its owner is.
#pragma once
#include <filesystem>
#include <string>

namespace pagejit {

class TemporaryFolder {
 public:
  /// Mode 0700, in the system's folder for temporary files. Throws Error(unsafe_cache) where none can be made.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pagejit
