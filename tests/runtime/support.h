// What the runtime's tests share: a folder that goes away, a compiler that only counts, requests to ask for.
#pragma once
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/engine.h"
#include "tools/temporary_folder.h"

namespace pagejit::testing {

using TempFolder = TemporaryFolder;

/// Gives PTX that holds nothing but the entry's name, and counts.
class CountingCompiler : public Compiler {
 public:
  std::string producer() const override { return producer_text; }
  Artifact compile(const Request& request) override;

  std::string producer_text = "llvm=22.1.8\n";
  std::function<void(Artifact&)> change;  // last touch to what is given
  std::atomic<int> compiles = 0;
};

Request sample_request(int page = 64);
Artifact sample_artifact();
EngineOptions options_for(const std::string& cache_dir, Mode mode = Mode::automatic);
/// All files under `folder`, as paths from it.
std::vector<std::string> files_under(const std::string& folder);
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);

/// Collects what is logged while it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  std::vector<std::string> lines;

 private:
  LogSink before_;
};

/// The Error that `act` throws; one of code internal and text "nothing was thrown" where it throws none.
Error thrown(const std::function<void()>& act);
bool contains(const std::string& text, const std::string& part);

}  // namespace pagejit::testing
