#include "tools/bench/read_kernel.h"

#if PAGEJIT_WITH_COMPILER
#include "compiler/kernel.h"
#include "compiler/lowering.h"
#include "compiler/nvptx/compiler.h"
#include "runtime/base/fields.h"
#include "runtime/cuda/cuda_backend.h"
#endif

namespace pagejit::bench {

#if PAGEJIT_WITH_COMPILER
namespace {

constexpr int threads = 256, vector = 4, in_flight = 4;  // i32 elements an access: 16 bytes
constexpr int block_elements = threads * vector * in_flight;

struct ReadParams {
  DevicePtr from;     // [programs, block_elements]
  DevicePtr scratch;  // never written: the data is never what the store waits for
  static constexpr auto fields() {
    return std::tuple{field<&ReadParams::from>("from"), field<&ReadParams::scratch>("scratch")};
  }
};

Emitted emit_read(const Request&, Lowering& lowering) {
  Kernel k(lowering);
  auto p = k.begin<ReadParams>("read_only", threads);
  Pointer from = p.tensor(&ReadParams::from, Elem::i32, 16), scratch = p.tensor(&ReadParams::scratch, Elem::i32, 16);
  Layout layout = Layout::linear(block_elements, vector, k.warps());
  Tile element = k.arange(layout);
  Value first = Value(wide(k.program(0))) * block_elements;
  Tile all = element >= 0;
  Tile data = k.load(from + (wide(element) + first), all, "data");
  constexpr int never = 0x7ABCDEF1;  // the buffer is filled with another byte throughout
  k.store(scratch + (wide(element) + first), data, data == never);
  k.end();
  return k.take();
}

}  // namespace

double read_only_gbps(Context& context, Stopwatch& watch, const void* from, void* scratch, std::size_t bytes) {
  auto* main_backend = dynamic_cast<CudaBackend*>(&context.backend());
  if (main_backend == nullptr) return 0;
  EngineOptions memory_only;
  CudaBackend backend(std::make_shared<Engine>(make_nvptx_compiler(emit_read), memory_only));
  Request request = make_request("read_only", backend.target(), abi_text<ReadParams>(), "");
  const LoadedKernel& kernel = backend.load(request);
  ReadParams params{DevicePtr{const_cast<void*>(from)}, DevicePtr{scratch}};
  std::uint32_t programs = static_cast<std::uint32_t>(bytes / (block_elements * 4));
  Timing t = watch.time(20, 1, [&] { backend.launch(kernel, {programs, 1, 1}, &params, watch.stream()); });
  return static_cast<double>(programs) * block_elements * 4 / t.median / 1e3;
}

#else
double read_only_gbps(Context&, Stopwatch&, const void*, void*, std::size_t) {
  return 0;
}
#endif

}  // namespace pagejit::bench
