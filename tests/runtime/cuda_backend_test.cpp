#include "runtime/cuda/cuda_backend.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "runtime/cache/disk.h"
#include "tests/runtime/support.h"
#include "tests/support/fake.h"

namespace pagejit {
namespace {
using namespace testing;

/// A backend over the fake driver; `change` has the last word on what is compiled.
struct Setup {
  explicit Setup(std::function<void(Artifact&)> change = {}, std::string cache_dir = "", Mode mode = Mode::automatic) {
    compiler->change = std::move(change);
    engine = std::make_shared<Engine>(compiler, options_for(cache_dir, mode));
  }
  CudaBackend open(int ordinal = 0) {
    return CudaBackend(engine, {.ordinal = ordinal, .target = {}, .driver = driver});
  }

  std::shared_ptr<const cuda::Driver> driver = fresh_fake_driver();
  std::shared_ptr<CountingCompiler> compiler = std::make_shared<CountingCompiler>();
  std::shared_ptr<Engine> engine;
};

FakeLaunch last_launch() {
  FakeLaunch launch;
  PJ_FAKE(fake_launch)(0, &launch);
  return launch;
}

TEST_CASE("each chip gets its own target, and an unknown one the nearest lower without suffix") {
  auto target = cuda::target_for_chip;
  CHECK(target(8, 0) == "sm_80");
  CHECK(target(8, 6) == "sm_86");
  CHECK(target(8, 7) == "sm_86");
  CHECK(target(8, 9) == "sm_89");
  CHECK(target(9, 0) == "sm_90a");
  CHECK(target(9, 1) == "sm_90");
  CHECK(target(10, 0) == "sm_100a");
  CHECK(target(10, 3) == "sm_103a");
  CHECK(target(11, 0) == "sm_103");
  CHECK(target(12, 0) == "sm_120a");
  CHECK(target(12, 1) == "sm_120");
  CHECK(target(15, 3) == "sm_120");
  CHECK(contains(thrown([&] { target(7, 5); }).what(), "compute capability 7.5 is too old"));
}

TEST_CASE("a device that is not there is an argument error that says which are") {
  Setup s;
  PJ_FAKE(fake_devices)(2);
  CHECK(contains(thrown([&] { s.open(2); }).what(), "PJ0001: there is no CUDA device 2\n  expected  0 to 1"));
  CHECK(thrown([&] { s.open(-1); }).code() == Code::argument);
}

TEST_CASE("a launch passes grid, block, shared memory, stream and the parameters' bytes") {
  Setup s([](Artifact& a) { a.facts.dynamic_shared = 1024; });
  CudaBackend backend = s.open();
  PJ_FAKE(fake_param_bytes)(64);
  unsigned char params[64];
  for (int i = 0; i < 64; ++i) params[i] = static_cast<unsigned char>(i * 3);
  backend.launch(backend.load(sample_request()), {7, 5, 3}, params, reinterpret_cast<Stream>(0x77));
  FakeLaunch l = last_launch();
  CHECK((l.grid[0] == 7 && l.grid[1] == 5 && l.grid[2] == 3));
  CHECK((l.block[0] == 128 && l.block[1] == 1 && l.block[2] == 1));
  CHECK(l.shared_bytes == 1024);
  CHECK(l.stream == reinterpret_cast<void*>(0x77));
  CHECK(l.attributes == 0);
  CHECK(std::memcmp(l.params, params, 64) == 0);
}

TEST_CASE("the early-launch attribute is set exactly for kernels that wait, the cluster's for clusters") {
  for (bool pdl : {false, true})
    for (int cluster : {1, 4}) {
      Setup s([&](Artifact& a) { a.facts.pdl = pdl, a.facts.cluster = cluster; });
      CudaBackend backend = s.open();
      backend.launch(backend.load(sample_request()), {8, 1, 1}, "", nullptr);
      FakeLaunch l = last_launch();
      REQUIRE(l.attributes == (pdl ? 1u : 0u) + (cluster > 1 ? 1u : 0u));
      if (pdl) CHECK((l.attribute_id[0] == 6 && l.attribute_value[0][0] == 1));
      if (cluster > 1) {
        int at = pdl ? 1 : 0;
        CHECK((l.attribute_id[at] == 4 && l.attribute_value[at][0] == 4 && l.attribute_value[at][1] == 1));
      }
    }
}

TEST_CASE("a grid that no device takes is refused before the driver sees it") {
  Setup s([](Artifact& a) { a.facts.cluster = 2; });
  CudaBackend backend = s.open();
  const LoadedKernel& kernel = backend.load(sample_request());
  for (Grid grid : {Grid{0, 1, 1}, Grid{2, 0, 1}, Grid{2, 1, 0}, Grid{0x80000000u, 1, 1}, Grid{2, 65536, 1},
                    Grid{2, 1, 65536}, Grid{3, 1, 1}}) {
    Error e = thrown([&] { backend.launch(kernel, grid, "", nullptr); });
    CHECK(e.code() == Code::argument);
    CHECK(contains(e.message(), std::to_string(grid.x)));
  }
  CHECK(PJ_FAKE(fake_launches)() == 0);
  backend.launch(kernel, {0x7ffffffe, 65535, 65535}, "", nullptr);
  CHECK(PJ_FAKE(fake_launches)() == 1);
}

TEST_CASE("more than 48 KiB of shared memory are asked for, and more than the device has is unsupported") {
  Setup s([](Artifact& a) { a.facts.dynamic_shared = 48 << 10; });
  s.open().load(sample_request());
  CHECK(PJ_FAKE(fake_calls)("cuFuncSetAttribute") == 0);
  Setup more([](Artifact& a) { a.facts.dynamic_shared = (48 << 10) + 16; });
  more.open().load(sample_request());
  CHECK(PJ_FAKE(fake_calls)("cuFuncSetAttribute") == 1);
  Setup most([](Artifact& a) { a.facts.dynamic_shared = 228 << 10; });
  CHECK(thrown([&] { most.open().load(sample_request()); }).code() == Code::unsupported);
}

TEST_CASE("two devices of one process each launch in their own context, and leave the caller's alone") {
  Setup s;
  PJ_FAKE(fake_devices)(2);
  CudaBackend zero = s.open(0), one = s.open(1);
  const LoadedKernel &a = zero.load(sample_request()), &b = one.load(sample_request());
  CHECK(s.compiler->compiles == 1);
  zero.launch(a, {}, "", nullptr);
  CHECK(last_launch().context == reinterpret_cast<void*>(0x1000));
  one.launch(b, {}, "", nullptr);
  CHECK(last_launch().context == reinterpret_cast<void*>(0x1001));
  cuda::Context now = nullptr;
  s.driver->context_current(&now);
  CHECK(now == nullptr);
}

TEST_CASE("a caller whose context is the device's pays for one question and no switch") {
  Setup s;
  CudaBackend backend = s.open();
  const LoadedKernel& kernel = backend.load(sample_request());
  cuda::Current current(*s.driver, backend.device().context());
  int pushes = PJ_FAKE(fake_calls)("cuCtxPushCurrent_v2");
  backend.launch(kernel, {}, "", nullptr);
  CHECK(PJ_FAKE(fake_calls)("cuCtxPushCurrent_v2") == pushes);
}

TEST_CASE("loading happens with this thread's capture mode relaxed, and the mode comes back") {
  Setup s;
  s.open().load(sample_request());
  CHECK(PJ_FAKE(fake_mode_at_load)() == cuda::capture_relaxed);
  CHECK(PJ_FAKE(fake_capture_mode)() == cuda::capture_global);
}

TEST_CASE("sixteen threads that load one kernel compile, assemble and load it once") {
  Setup s([](Artifact&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  CudaBackend backend = s.open();
  std::vector<const LoadedKernel*> got(16);
  std::vector<std::thread> threads;
  for (auto& kernel : got) threads.emplace_back([&] { kernel = &backend.load(sample_request()); });
  for (std::thread& t : threads) t.join();
  for (const LoadedKernel* kernel : got) CHECK(kernel == got[0]);
  CHECK(s.compiler->compiles == 1);
  CHECK(PJ_FAKE(fake_calls)("cuLinkComplete") == 1);
  CHECK(PJ_FAKE(fake_calls)("cuLibraryLoadData") == 1);
}

TEST_CASE("the assembler's report becomes facts, and its complaint an error with the line it points at") {
  Setup s([](Artifact& a) { a.facts.symbol = "flatten"; });
  s.open().load(sample_request());
  cuda::DeviceContext device(s.driver, 0);
  cuda::DriverAssembler assembler(device);
  const KernelFacts& facts = s.engine->image(sample_request(), assembler).artifact.facts;
  CHECK(facts.registers == 24);
  CHECK(facts.spill_store == 8);
  CHECK(facts.spill_load == 4);
  CHECK(facts.local_bytes == 16);
  CHECK(facts.chip == "9.0");
  CHECK(facts.driver == 13000);

  Setup wrong([](Artifact& a) { a.ptx = "SYNTAX"; });
  Error e = thrown([&] { wrong.open().load(sample_request()); });
  CHECK(e.code() == Code::compile);
  CHECK(contains(e.what(), "line 7; error : Parsing error near 'SYNTAX'"));
  CHECK(contains(e.what(), sample_request().spec_line));
}

TEST_CASE("PTX newer than the driver is PJ0007, with the version needed and the one found") {
  Setup s([](Artifact& a) { a.facts.ptx_isa = 92; });
  CudaBackend backend = s.open();
  PJ_FAKE(fake_fail)("cuLinkAddData_v2", 222, 0);
  Error e = thrown([&] { backend.load(sample_request()); });
  CHECK(e.code() == Code::too_new);
  CHECK(contains(e.what(), "PTX ISA 9.2"));
  CHECK(contains(e.what(), "CUDA 13.0"));
}

TEST_CASE("a warm cache loads the cubin without compiling or assembling; another driver assembles again") {
  TempFolder folder;
  Setup first({}, folder.path());
  first.open().load(sample_request());
  Setup second({}, folder.path());
  CudaBackend warm = second.open();
  warm.load(sample_request());
  CHECK(second.compiler->compiles == 0);
  CHECK(PJ_FAKE(fake_calls)("cuLinkComplete") == 0);
  CHECK(warm.statistics().disk_hits == 1);

  PJ_FAKE(fake_version)(13010);
  auto newer = cuda::Driver::open(PAGEJIT_FAKE_CUDA);
  Engine engine(second.compiler, options_for(folder.path()));
  CudaBackend other(std::make_shared<Engine>(second.compiler, options_for(folder.path())),
                    {.ordinal = 0, .target = {}, .driver = newer});
  other.load(sample_request());
  CHECK(second.compiler->compiles == 0);
  CHECK(PJ_FAKE(fake_calls)("cuLinkComplete") == 1);
}

TEST_CASE("a cached cubin that the driver refuses is put aside and made anew, once") {
  TempFolder folder;
  Setup s({}, folder.path());
  s.open().load(sample_request());
  auto engine = std::make_shared<Engine>(s.compiler, options_for(folder.path()));
  CudaBackend backend(engine, {.ordinal = 0, .target = {}, .driver = s.driver});
  PJ_FAKE(fake_fail)("cuLibraryGetKernel", 719, 0);
  LogCapture log;
  CHECK(thrown([&] { backend.load(sample_request()); }).code() == Code::driver);
  CHECK(s.compiler->compiles == 2);
  CHECK(files_under(folder.path() + "/v1/bad").size() == 1);
  CHECK(log.lines.size() == 1);
}

TEST_CASE(
    "a refused cubin of a read-only folder is replaced by one from its PTX, even where compiling is not allowed") {
  TempFolder shared, own;
  Setup s({}, shared.path());
  s.open().load(sample_request());
  // The same entry, but with machine code that the driver refuses.
  cache::Disk disk(shared.path(), cache::Disk::Use::read_write);
  Artifact spoilt = disk.open(disk.files().at(0))->artifact();
  spoilt.cubin = "REFUSE";
  disk.put(sample_request(), spoilt, "", true);
  EngineOptions options = options_for(own.path(), Mode::require);
  options.cache_ro = shared.path();
  CudaBackend backend(std::make_shared<Engine>(nullptr, options), {.ordinal = 0, .target = {}, .driver = s.driver});
  LogCapture log;
  CHECK(backend.load(sample_request()).facts().registers == 24);
  CHECK(backend.statistics().assemblies == 1);
  CHECK(contains(log.lines.at(0), "the layer is only read"));
}

TEST_CASE("in require mode a miss is PJ0003 and the driver is not asked to load anything") {
  Setup s({}, "", Mode::require);
  CudaBackend backend = s.open();
  CHECK(contains(thrown([&] { backend.load(sample_request()); }).what(), "PJ0003"));
  CHECK(PJ_FAKE(fake_calls)("cuLibraryLoadData") == 0);
}

TEST_CASE("a kernel that is not loaded yet is refused on a capturing stream, before any call that spoils the capture") {
  Setup s;
  CudaBackend backend = s.open();
  PJ_FAKE(fake_capturing)(1);
  Error e = thrown([&] { backend.load_on(sample_request(), nullptr); });
  CHECK(e.code() == Code::capture);
  CHECK(contains(e.what(), sample_request().spec_line));
  CHECK(s.compiler->compiles == 0);
  CHECK(PJ_FAKE(fake_calls)("cuLibraryLoadData") == 0);
  PJ_FAKE(fake_capturing)(0);
  const LoadedKernel& kernel = backend.load_on(sample_request(), nullptr);
  PJ_FAKE(fake_capturing)(1);
  CHECK(&backend.load_on(sample_request(), nullptr) == &kernel);
}

TEST_CASE("memory goes there and back, nothing is a size too, and failures name the buffer") {
  Setup s;
  CudaBackend backend = s.open();
  void* p = backend.allocate(16, "k_cache");
  char in[16] = "fifteen letters", out[16] = "";
  backend.copy_in(p, in, 16, nullptr);
  backend.copy_out(out, p, 16, nullptr);
  CHECK(std::strcmp(in, out) == 0);
  backend.fill(p, 0x5a, 16, nullptr);
  backend.copy_out(out, p, 16, nullptr);
  CHECK(out[15] == 0x5a);
  backend.release(p);
  backend.release(backend.allocate(0, "empty"));
  backend.release(nullptr);
  backend.copy_in(nullptr, nullptr, 0, nullptr);
  PJ_FAKE(fake_fail)("cuMemAlloc_v2", 2, 0);
  CHECK(contains(thrown([&] { backend.allocate(4096, "k_cache"); }).what(), "allocating 4096 bytes for k_cache"));
}

TEST_CASE("what a launch costs beside the driver's call is under 200 ns") {
  Setup s;
  CudaBackend backend = s.open();
  const LoadedKernel& kernel = backend.load(sample_request());
  cuda::Current current(*s.driver, backend.device().context());
  PJ_FAKE(fake_quiet)(1);
  auto best_of = [](auto&& call) {
    double best = 1e9;
    for (int round = 0; round < 20; ++round) {
      auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 2000; ++i) call();
      best = std::min(
          best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / 2000);
    }
    return best;
  };
  cuda::LaunchConfig config{1, 1, 1, 128, 1, 1, 0, nullptr, nullptr, 0};
  char params[64] = {};
  void* parameters[] = {params};
  double bare = best_of(
      [&] { s.driver->launch(&config, static_cast<const cuda::CudaKernel&>(kernel).function(), parameters, nullptr); });
  double ours = best_of([&] { backend.launch(kernel, {1, 1, 1}, params, nullptr); });
  PJ_FAKE(fake_quiet)(0);
  MESSAGE("bare " << bare << " ns, ours " << ours << " ns");
#ifndef __SANITIZE_ADDRESS__
  CHECK(ours - bare < 200);
#endif
}
}  // namespace
}  // namespace pagejit
