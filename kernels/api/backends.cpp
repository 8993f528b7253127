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

bool seal_is_error(const std::string& name) {
  if (name != "warn" && name != "error")
    fail(Code::argument, fmt::format("seal is '{}'; expected warn or error", name), {{"argument", "seal"}});
  return name == "error";
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
  bool off = Settings::process().cache == "off";  // where a private root would lie says nothing against that
  if (!options.cache_dir.empty() && !off) engine.cache_dir = options.cache_dir;
  if (!options.cache_ro.empty()) engine.cache_ro = options.cache_ro;
  if (!options.mode.empty()) engine.mode = mode_of(options.mode);
  if (!options.seal.empty()) engine.seal_is_error = seal_is_error(options.seal);
  engine.on_event = options.on_event;
  CudaOptions cuda;
  cuda.ordinal = ordinal;
  cuda.target = Settings::process().arch;
  return std::make_unique<CudaBackend>(std::make_shared<Engine>(make_compiler(), std::move(engine)), std::move(cuda));
}

std::unique_ptr<Backend> make_emulator([[maybe_unused]] const Options& options) {
#if PAGEJIT_WITH_COMPILER
  EmulatorOptions emulator;
  emulator.seal_is_error = seal_is_error(options.seal.empty() ? Settings::process().seal : options.seal);
  emulator.on_event = options.on_event;
  return std::make_unique<EmulatorBackend>(emit_kernel, std::move(emulator));
#else
  fail(Code::absent, "the emulator needs the compiler, and this build of pagejit has none",
       {{"to do", "use a machine with an NVIDIA GPU, or build with -DPAGEJIT_WITH_COMPILER=ON"}});
#endif
}

}  // namespace

std::unique_ptr<Backend> make_backend(const Options& options) {
  if (!options.mode.empty()) mode_of(options.mode);
  if (!options.seal.empty()) seal_is_error(options.seal);
  if (options.device == "emulator") return make_emulator(options);
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
  return make_emulator(options);
}

}  // namespace pagejit
