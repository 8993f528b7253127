#include "kernels/api/backends.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "runtime/base/error.h"
#include "runtime/base/settings.h"
#include "runtime/cuda/cuda_backend.h"
#include "runtime/engine.h"

#if PAGEJIT_WITH_COMPILER
#include "compiler/emulator/backend.h"
#include "compiler/nvptx/compiler.h"
#include "kernels/templates.h"
#endif

namespace pagejit {
namespace {

/// The N of "cuda:N", 0 for "cuda"; nothing for any other text.
std::optional<int> cuda_ordinal(std::string_view device) {
  if (device == "cuda") return 0;
  if (!device.starts_with("cuda:")) return std::nullopt;
  std::string_view digits = device.substr(5);
  int ordinal = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
  bool whole = error == std::errc{} && end == digits.data() + digits.size() && ordinal >= 0;
  return whole ? std::optional(ordinal) : std::nullopt;
}

Mode mode_of(const std::string& name) {
  if (name == "auto") return Mode::automatic;
  if (name == "require") return Mode::require;
  if (name == "rebuild") return Mode::rebuild;
  fail(Code::argument, fmt::format("the mode is '{}'; expected auto, require or rebuild", name),
       {{"argument", "mode"}});
}

std::shared_ptr<Compiler> make_compiler() {
#if PAGEJIT_WITH_COMPILER
  return make_nvptx_compiler(emit_kernel);
#else
  return nullptr;  // a miss is then an error that says which command would have made the kernel
#endif
}

std::unique_ptr<Backend> make_cuda(const Options& options, int ordinal) {
  EngineOptions engine = EngineOptions::from(Settings::process());
  if (!options.cache_dir.empty()) engine.cache_dir = options.cache_dir;
  if (!options.mode.empty()) engine.mode = mode_of(options.mode);
  CudaOptions cuda;
  cuda.ordinal = ordinal;
  cuda.target = Settings::process().arch;
  return std::make_unique<CudaBackend>(std::make_shared<Engine>(make_compiler(), std::move(engine)), std::move(cuda));
}

std::unique_ptr<Backend> make_emulator() {
#if PAGEJIT_WITH_COMPILER
  return std::make_unique<EmulatorBackend>(emit_kernel, EmulatorOptions{});
#else
  fail(Code::absent, "the emulator needs the compiler, and this build of pagejit has none",
       {{"to do", "use a machine with an NVIDIA GPU, or build with -DPAGEJIT_WITH_COMPILER=ON"}});
#endif
}

}  // namespace

std::unique_ptr<Backend> make_backend(const Options& options) {
  if (!options.mode.empty()) mode_of(options.mode);
  if (options.device == "emulator") return make_emulator();
  if (std::optional<int> ordinal = cuda_ordinal(options.device)) return make_cuda(options, *ordinal);
  if (options.device != "auto")
    fail(Code::argument,
         fmt::format("the device is '{}'; expected auto, cuda, cuda:N (N counts from 0) or emulator", options.device),
         {{"argument", "device"}});
  try {
    return make_cuda(options, 0);
  } catch (const Error& e) {
    if (e.code() != Code::absent || !PAGEJIT_WITH_COMPILER) throw;
  }
  return make_emulator();
}

}  // namespace pagejit
