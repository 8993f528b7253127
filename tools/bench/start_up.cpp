#include "tools/bench/start_up.h"

#include <fmt/format.h>
#include <pagejit/context.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "kernels/registry.h"
#include "runtime/base/error.h"
#include "runtime/engine.h"
#include "tools/temporary_folder.h"

#if PAGEJIT_WITH_COMPILER
#include "compiler/nvptx/compiler.h"
#include "kernels/templates.h"
#endif

namespace pagejit::bench {
namespace {

constexpr int processes = 9;

class Clock {
 public:
  double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Runs this program again with other arguments; the number that it prints.
double child_number(const std::string& arguments) {
  std::string self = std::filesystem::read_symlink("/proc/self/exe");
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(fmt::format("'{}' {}", self, arguments).c_str(), "r"), pclose);
  std::array<char, 64> line{};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr)
    fail(Code::internal, "a child process of the benchmark gave no number", {{"arguments", arguments}});
  return std::atof(line.data());
}

Timing numbers_of(const std::string& arguments) {
  std::vector<double> samples;
  for (int i = 0; i < processes; ++i) samples.push_back(child_number(arguments));
  return summarise(std::move(samples));
}

}  // namespace

StartUp measure_start_up(const std::string& spec, const std::string& target, bool gpu) {
  StartUp result;
  if (PAGEJIT_WITH_COMPILER)
    result.compile_ms = numbers_of(fmt::format("--child-compile '{}' --child-target {}", spec, target));
  if (!gpu) return result;
  TemporaryFolder cache;
  std::string load = fmt::format("--child-load '{}' --child-cache '{}'", spec, cache.path());
  child_number(load);  // fills the cache
  result.load_ms = numbers_of(load);
  return result;
}

int child_compile(const std::string& spec, const std::string& target) {
#if PAGEJIT_WITH_COMPILER
  Clock clock;
  auto compiler = make_nvptx_compiler(emit_kernel, {.keep_ir = false});
  Artifact artifact = compiler->compile(request_for(spec, target));
  fmt::print("{}\n", clock.ms());
  return artifact.ptx.empty() ? 1 : 0;
#else
  fail(Code::absent, "this build has no compiler", {{"spec", spec}, {"target", target}});
#endif
}

int child_load(const std::string& spec, const std::string& cache) {
  Context context(Options{.device = "cuda", .cache_dir = cache, .mode = {}});
  Clock clock;
  context.prepare(spec);
  fmt::print("{}\n", clock.ms());
  return 0;
}

}  // namespace pagejit::bench
