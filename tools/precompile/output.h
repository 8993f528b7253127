// Where kernels go beside the cache: files, and a bundle.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/cache/bundle_write.h"
#include "tools/precompile/wish.h"

namespace pagejit::precompile {

/// What --emit takes.
const std::vector<std::string>& emit_kinds();

/// Whether anything that is wished for holds machine code.
bool needs_cubins(const Wish& wish);

class Output {
 public:
  /// Throws where it cannot be written, or where a program that it needs is absent.
  Output(const Wish& wish, bool with_cubins);

  /// Writes this kernel's files. From any thread.
  void add(const Request& request, const Artifact& artifact);
  /// Writes what holds several kernels, once all are there.
  void finish();

 private:
  void write_stage(const std::string& stage, const Request& request, const Artifact& artifact);

  std::vector<std::string> stages_;
  std::string folder_;
  std::string fatbinary_;  // the program
  std::string path_;
  std::mutex lock_;
  std::unique_ptr<cache::BundleWriter> bundle_;
  std::map<std::string, std::vector<Artifact>> of_spec_;  // fat binaries hold a spec line's targets
};

}  // namespace pagejit::precompile
