// PAGEJIT_RECORD: every spec line that was used, as a manifest that can be precompiled.
#pragma once
#include <mutex>
#include <set>
#include <string>

#include "runtime/base/request.h"

namespace pagejit {

/// Several processes may append to one file: each addition is one write.
class SpecRecord {
 public:
  explicit SpecRecord(std::string path) : path_(std::move(path)) {}
  /// Appends the spec line, after a "target …" line where the target is new, unless the file had it already. A file
  /// that cannot be written costs one warning.
  void note(const Request& request);

 private:
  void begin();
  void append(const std::string& text);

  std::string path_;
  std::mutex lock_;
  bool begun_ = false;
  std::set<std::string> known_;  // lines of the file
};

}  // namespace pagejit
