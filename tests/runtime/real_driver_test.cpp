// The driver itself, where there is one: PTX written by hand, so that no compiler is needed.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "runtime/base/device_ptr.h"
#include "runtime/cuda/cuda_backend.h"
#include "runtime/cuda/launch.h"
#include "runtime/cuda/timing.h"
#include "tests/runtime/support.h"
#include "tests/support/skip.h"

namespace pagejit {
namespace {
using namespace testing;

struct Params {
  DevicePtr out;  // [n] of i32
  std::int32_t n;
  std::int32_t value;
};

/// out[i] = out[i] + value for i < n. `extra` goes before the load.
std::string adding_ptx(const char* version, const char* target, const std::string& extra) {
  return std::string(".version ") + version + "\n.target " + target + R"(
.address_size 64
.extern .shared .align 16 .b8 window[];
.visible .entry add(.param .align 8 .b8 p[16]) {
  .reg .pred %q; .reg .b32 %r<8>; .reg .b64 %d<4>;
  ld.param.u64 %d0, [p]; ld.param.u32 %r0, [p+8]; ld.param.u32 %r1, [p+12];
  mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.s32 %q, %r5, %r0;
  )" + extra +
         R"(
  @%q bra done;
  mul.wide.s32 %d1, %r5, 4; add.s64 %d2, %d0, %d1;
  ld.global.u32 %r6, [%d2]; add.s32 %r6, %r6, %r1; st.global.u32 [%d2], %r6;
done:
  ret;
})";
}

/// Nothing, with a word for ctest, where there is no GPU.
std::unique_ptr<CudaBackend> open_real(std::shared_ptr<CountingCompiler> compiler, const std::string& cache_dir = "") {
  compiler->change = [change = compiler->change](Artifact& a) {
    a.facts.symbol = "add";
    a.facts.block = 256;
    a.facts.param_bytes = sizeof(Params);
    a.facts.ptx_isa = 70;
    a.ptx = adding_ptx("7.0", "sm_80", "");
    if (change) change(a);
  };
  try {
    return std::make_unique<CudaBackend>(std::make_shared<Engine>(compiler, options_for(cache_dir)));
  } catch (const Error& e) {
    if (e.code() != Code::absent) throw;
    skip_test(e.message());
    return nullptr;
  }
}

constexpr int n = 10000;
constexpr Grid grid{(n + 255) / 256, 1, 1};

struct Buffer {
  explicit Buffer(CudaBackend& b) : backend(b), data(b.allocate(n * 4, "numbers")) {
    backend.fill(data, 0, n * 4, nullptr);
  }
  ~Buffer() {
    try {
      backend.release(data);
    } catch (const Error&) {
      // A kernel that faulted took the context with it; the test has said so already.
    }
  }
  Params params(int value) const { return {data, n, value}; }
  /// The number that all elements have; −1 where they differ.
  int value() {
    std::vector<int> host(n);
    backend.synchronise(nullptr);
    backend.copy_out(host.data(), data, n * 4, nullptr);
    for (int v : host)
      if (v != host[0]) return -1;
    return host[0];
  }
  CudaBackend& backend;
  void* data;
};

TEST_CASE("on a GPU: PTX is assembled, loaded and launched, and the next process takes the cubin from its file") {
  TempFolder folder;
  auto compiler = std::make_shared<CountingCompiler>();
  auto backend = open_real(compiler, folder.path());
  if (!backend) return;
  MESSAGE(backend->name() << ", " << backend->target() << ", " << backend->multiprocessors() << " multiprocessors");
  const LoadedKernel& kernel = backend->load(sample_request());
  Buffer buffer(*backend);
  Params params = buffer.params(7);
  backend->launch(kernel, grid, &params, nullptr);
  CHECK(buffer.value() == 7);
  CHECK(kernel.facts().registers > 0);
  CHECK(kernel.facts().spill_store == 0);

  auto later = open_real(std::make_shared<CountingCompiler>(), folder.path());
  auto start = std::chrono::steady_clock::now();
  const LoadedKernel& warm = later->load(sample_request());
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  MESSAGE("request to kernel from a warm file: " << ms << " ms, of it in the driver " << later->statistics().load_ms);
  CHECK(later->statistics().disk_hits == 1);
  CHECK(later->statistics().compiles + later->statistics().assemblies == 0);
  later->launch(warm, grid, &params, nullptr);
  CHECK(buffer.value() == 14);
}

TEST_CASE("on a GPU: a captured launch replays, and loads elsewhere do not spoil the capture") {
  auto backend = open_real(std::make_shared<CountingCompiler>());
  if (!backend) return;
  const LoadedKernel& kernel = backend->load(sample_request());
  Buffer buffer(*backend);
  Params params = buffer.params(1);
  cuda::OwnStream stream(backend->device());
  const cuda::Driver& d = backend->device().driver();
  cuda::Current current(d, backend->device().context());
  auto handle = static_cast<cuda::StreamHandle>(stream.get());
  // The strictest mode: any thread's unsafe call would end the capture.
  REQUIRE(d.capture_begin(handle, cuda::capture_global) == cuda::success);
  backend->launch(kernel, grid, &params, stream.get());
  CHECK(thrown([&] { backend->load_on(sample_request(2), stream.get()); }).code() == Code::capture);
  std::thread([&] {
    backend->load(sample_request(3));
    backend->release(backend->allocate(1 << 20, "while capturing"));
  }).join();
  cuda::Graph graph = nullptr;
  CHECK(d.capture_end(handle, &graph) == cuda::success);
  if (graph) d.graph_destroy(graph);

  cuda::Replay replay(backend->device(), stream.get(), [&] { backend->launch(kernel, grid, &params, stream.get()); });
  for (int i = 0; i < 5; ++i) replay.launch(stream.get());
  backend->synchronise(stream.get());
  CHECK(buffer.value() == 5);
}

TEST_CASE("on a GPU: kernels that wait for the one before may start early, and still add up") {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [](Artifact& a) {
    a.facts.pdl = true;
    a.ptx = adding_ptx("7.8", "sm_90", "griddepcontrol.launch_dependents; griddepcontrol.wait;");
  };
  auto backend = open_real(compiler);
  if (!backend) return;
  if (backend->device().attribute(cuda::chip_major) < 9)
    return skip_test("programmatic dependent launch needs compute capability 9.0");
  const LoadedKernel& kernel = backend->load(sample_request());
  Buffer buffer(*backend);
  Params params = buffer.params(1);
  cuda::OwnStream stream(backend->device());
  backend->synchronise(nullptr);
  for (int i = 0; i < 1000; ++i) backend->launch(kernel, grid, &params, stream.get());
  backend->synchronise(stream.get());
  CHECK(buffer.value() == 1000);
}

TEST_CASE("on a GPU: a block may have nearly all shared memory, and clusters launch") {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [](Artifact& a) {
    a.facts.dynamic_shared = 96 << 10;
    a.ptx = adding_ptx("7.0", "sm_80", "mov.u64 %d3, window; st.shared.u32 [window+98300], %r0;");
  };
  auto backend = open_real(compiler);
  if (!backend) return;
  Buffer buffer(*backend);
  Params params = buffer.params(3);
  backend->launch(backend->load(sample_request()), grid, &params, nullptr);
  CHECK(buffer.value() == 3);
  if (backend->device().attribute(cuda::chip_major) < 9) return;
  compiler->change = [before = compiler->change](Artifact& a) {
    before(a);
    a.facts.dynamic_shared = 0;
    a.facts.cluster = 4;
    a.ptx = adding_ptx("7.0", "sm_80", "");
  };
  backend->launch(backend->load(sample_request(1)), {40, 1, 1}, &params, nullptr);
  CHECK(buffer.value() == 6);
}

TEST_CASE("on a GPU: wrong PTX is refused with the assembler's own words") {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [](Artifact& a) { a.ptx = adding_ptx("7.0", "sm_80", "frobnicate.u32 %r7;"); };
  auto backend = open_real(compiler);
  if (!backend) return;
  Error e = thrown([&] { backend->load(sample_request()); });
  MESSAGE(std::string(e.what()));
  CHECK(e.code() == Code::compile);
  CHECK(contains(e.what(), "frobnicate"));
}

TEST_CASE("on a GPU: a launch costs at most 0.2 µs more than the driver's call") {
  auto backend = open_real(std::make_shared<CountingCompiler>());
  if (!backend) return;
  const auto& kernel = static_cast<const cuda::CudaKernel&>(backend->load(sample_request()));
  Buffer buffer(*backend);
  Params params = buffer.params(0);
  params.n = 0;
  cuda::OwnStream stream(backend->device());
  const cuda::Driver& d = backend->device().driver();
  cuda::Current current(d, backend->device().context());
  cuda::LaunchConfig config{1, 1, 1, 256, 1, 1, 0, static_cast<cuda::StreamHandle>(stream.get()), nullptr, 0};
  void* parameters[] = {&params};
  auto best_of = [&](auto&& call) {
    double best = 1e9;
    for (int round = 0; round < 40; ++round) {
      backend->synchronise(stream.get());
      auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 500; ++i) call();  // fewer than the queue holds: the host never waits
      best = std::min(
          best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / 500);
    }
    return best;
  };
  double bare = best_of([&] { d.launch(&config, kernel.function(), parameters, nullptr); });
  double ours = best_of([&] { backend->launch(kernel, {1, 1, 1}, &params, stream.get()); });
  MESSAGE("host time of a launch: bare " << bare << " µs, ours " << ours << " µs");
  CHECK(ours - bare <= 0.2);
}
}  // namespace
}  // namespace pagejit
