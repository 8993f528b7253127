#include "compiler/emulator/backend.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>

#include "compiler/emulator/jit.h"
#include "compiler/emulator/lowering.h"
#include "runtime/base/error.h"
#include "runtime/base/log.h"

namespace pagejit {
namespace {

using emulator::Memory;
constexpr int most_shared = 227 << 10;

class EmulatorKernel final : public LoadedKernel {
 public:
  std::once_flag once;
  std::atomic<bool> ready = false;
  std::vector<Site> sites;
  emulator::Entry entry = nullptr;

  void fill_in(const Request& request, Emitted& emitted, emulator::Jit& jit) {
    request_ = request;
    facts_ = emitted.facts;
    sites = std::move(emitted.sites);
    entry = jit.compile(emitted);
    ready = true;
  }
};

void check_grid(const Grid& g, const KernelFacts& facts) {
  if (g.x < 1 || g.y < 1 || g.z < 1 || g.x > 0x7fffffff || g.y > 65535 || g.z > 65535)
    fail(Code::argument,
         fmt::format("kernel '{}' is launched over a grid of {} x {} x {} blocks; expected 1 to 2147483647 x 1 to "
                     "65535 x 1 to 65535",
                     facts.symbol, g.x, g.y, g.z));
  if (facts.block < 32 || facts.block > 1024 || facts.block % 32 != 0)
    fail(Code::internal, fmt::format("kernel '{}' has blocks of {} threads; expected whole warps, up to 1024 threads",
                                     facts.symbol, facts.block));
  if (facts.dynamic_shared > most_shared)
    fail(Code::unsupported, fmt::format("kernel '{}' asks for {} bytes of shared memory; a block has at most {}",
                                        facts.symbol, facts.dynamic_shared, most_shared));
}

[[noreturn]] void fail_with(const std::vector<Finding>& findings) {
  Error::Fields fields;
  for (std::size_t i = 1; i < findings.size() && i < 4; ++i) fields.emplace_back("also", findings[i].text());
  if (findings.size() > 4) fields.emplace_back("more", fmt::format("{}", findings.size() - 4));
  fail(Code::internal, findings[0].text(), std::move(fields));
}

}  // namespace

struct EmulatorBackend::Inside {
  Emit emit;
  EmulatorOptions options;
  std::string target = "emulator";
  emulator::Jit jit;

  mutable std::mutex map_mutex;                                    // kernels and statistics
  std::map<std::string, std::unique_ptr<EmulatorKernel>> kernels;  // by key text
  Statistics statistics;

  std::mutex mutex;  // one launch, or one change of memory, at a time
  Memory memory;
  emulator::Block block;
  std::uint64_t launches = 0;
  std::vector<Finding> findings;

  std::atomic<bool> sealed = false;

  void check_seal(const Request& request) const {
    if (!sealed) return;
    Error error(Code::sealed, "a kernel is compiled after seal()",
                {{"spec", request.spec_line},
                 {"target", request.target},
                 {"to do", "before seal(): prepare(\"" + request.spec_line + "\")"}});
    if (options.seal_is_error) throw error;
    warn_once("seal " + request.key_text, error.what());
  }

  void compile(EmulatorKernel& kernel, const Request& request) {
    check_seal(request);
    auto start = std::chrono::steady_clock::now();
    auto lowering = make_emulator_lowering();
    Emitted emitted = emit(request, *lowering);
    kernel.fill_in(request, emitted, jit);
    double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    {
      std::lock_guard lock(map_mutex);
      ++statistics.compiles;
      statistics.compile_ms += ms;
    }
    tell(options.on_event, {.kind = Event::Kind::compile,
                            .cause = "new-spec",
                            .spec_line = request.spec_line,
                            .target = request.target,
                            .ms = ms});
  }

  std::vector<Finding> run(const EmulatorKernel& kernel, Grid grid, const void* params) {
    Findings found(options.max_findings);
    emulator::Launch launch{&kernel.facts(), kernel.sites,        kernel.entry,      params,    grid, &memory,
                            &found,          options.check_races, options.max_steps, ++launches};
    block.begin(launch);
    for (std::uint32_t z = 0; z < grid.z; ++z)
      for (std::uint32_t y = 0; y < grid.y; ++y)
        for (std::uint32_t x = 0; x < grid.x && !block.stopped(); ++x) block.run(x, y, z);
    return found.take();
  }
};

EmulatorBackend::EmulatorBackend(Emit emit, EmulatorOptions options) : inside_(std::make_unique<Inside>()) {
  inside_->emit = std::move(emit);
  inside_->options = options;
}
EmulatorBackend::~EmulatorBackend() = default;

const std::string& EmulatorBackend::target() const {
  return inside_->target;
}

const LoadedKernel& EmulatorBackend::load(const Request& request) {
  EmulatorKernel* kernel = nullptr;
  {
    std::lock_guard lock(inside_->map_mutex);
    auto& slot = inside_->kernels[request.key_text];
    if (!slot)
      slot = std::make_unique<EmulatorKernel>();
    else if (slot->ready)
      ++inside_->statistics.memory_hits;
    kernel = slot.get();
  }
  std::call_once(kernel->once, [&] { inside_->compile(*kernel, request); });
  return *kernel;
}

const LoadedKernel* EmulatorBackend::load_cached(const Request& request) {
  std::lock_guard lock(inside_->map_mutex);
  auto known = inside_->kernels.find(request.key_text);
  return known != inside_->kernels.end() && known->second->ready ? known->second.get() : nullptr;
}

void EmulatorBackend::note_fallback(const Request& wanted, const LoadedKernel& served) {
  {
    std::lock_guard lock(inside_->map_mutex);
    ++inside_->statistics.align_fallbacks;
  }
  tell(inside_->options.on_event, {.kind = Event::Kind::fallback,
                                   .cause = served.request().spec_line,
                                   .spec_line = wanted.spec_line,
                                   .target = wanted.target});
}

void EmulatorBackend::seal() {
  inside_->sealed = true;
}

void EmulatorBackend::launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream) {
  const auto& loaded = static_cast<const EmulatorKernel&>(kernel);
  check_grid(grid, kernel.facts());
  std::vector<std::uint64_t> copy((static_cast<std::size_t>(kernel.facts().param_bytes) + 7) / 8 + 1);
  std::memcpy(copy.data(), params, static_cast<std::size_t>(kernel.facts().param_bytes));
  std::lock_guard lock(inside_->mutex);
  std::vector<Finding> found = inside_->run(loaded, grid, copy.data());
  {
    std::lock_guard count(inside_->map_mutex);
    ++inside_->statistics.launches;
  }
  if (found.empty()) return;
  if (inside_->options.throw_on_finding) fail_with(found);
  for (Finding& f : found) inside_->findings.push_back(std::move(f));
}

bool EmulatorBackend::describe(const BoxedTensor& t, TensorMap& out) const {
  static_assert(sizeof(BoxedTensor) <= sizeof(TensorMap) && std::is_trivially_copyable_v<BoxedTensor>);
  bool sound = can_be_walked(t);
  if (sound) std::memcpy(&out, &t, sizeof t);
  return sound;
}

void* EmulatorBackend::allocate(std::size_t bytes, const char* label) {
  std::lock_guard lock(inside_->mutex);
  return inside_->memory.allocate(bytes, label);
}
void EmulatorBackend::release(void* pointer) {
  std::lock_guard lock(inside_->mutex);
  inside_->memory.release(pointer);
}
void EmulatorBackend::adopt(void* pointer, std::size_t bytes, const char* label) {
  std::lock_guard lock(inside_->mutex);
  inside_->memory.adopt(pointer, bytes, label ? label : "");
}

void EmulatorBackend::copy_in(void* device, const void* host, std::size_t bytes, Stream) {
  if (bytes == 0) return;
  std::lock_guard lock(inside_->mutex);
  inside_->memory.allow(device, bytes, "copy_in");
  std::memcpy(device, host, bytes);
}
void EmulatorBackend::copy_out(void* host, const void* device, std::size_t bytes, Stream) {
  if (bytes == 0) return;
  std::lock_guard lock(inside_->mutex);
  inside_->memory.range(device, bytes, "copy_out");
  std::memcpy(host, device, bytes);
}
void EmulatorBackend::fill(void* device, unsigned char byte, std::size_t bytes, Stream) {
  if (bytes == 0) return;
  std::lock_guard lock(inside_->mutex);
  inside_->memory.allow(device, bytes, "fill");
  std::memset(device, byte, bytes);
}

void EmulatorBackend::poison(const void* pointer, std::size_t bytes) {
  std::lock_guard lock(inside_->mutex);
  inside_->memory.mark(pointer, bytes, emulator::state::poisoned, true, "poison");
}
void EmulatorBackend::unpoison(const void* pointer, std::size_t bytes) {
  std::lock_guard lock(inside_->mutex);
  inside_->memory.mark(pointer, bytes, emulator::state::poisoned, false, "unpoison");
}
void EmulatorBackend::forget(const void* pointer, std::size_t bytes) {
  std::lock_guard lock(inside_->mutex);
  inside_->memory.mark(pointer, bytes, emulator::state::unwritten, true, "forget");
}

std::vector<Finding> EmulatorBackend::take_findings() {
  std::lock_guard lock(inside_->mutex);
  return std::exchange(inside_->findings, {});
}

Statistics EmulatorBackend::statistics() const {
  std::lock_guard lock(inside_->map_mutex);
  return inside_->statistics;
}

}  // namespace pagejit
