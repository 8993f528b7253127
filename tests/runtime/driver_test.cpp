#include "runtime/cuda/driver.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>

#include "runtime/cuda/cuda_backend.h"
#include "runtime/cuda/timing.h"
#include "tests/runtime/support.h"
#include "tests/support/fake.h"

namespace pagejit::cuda {
namespace {
using namespace pagejit::testing;

TEST_CASE("without a driver the error says what was looked for, and that the emulator remains") {
  Error e = thrown([] { Driver::open("libno-such-cuda.so.1"); });
  CHECK(e.code() == Code::absent);
  CHECK(contains(e.what(), "PJ0012: there is no CUDA driver on this machine"));
  CHECK(contains(e.what(), "libno-such-cuda.so.1"));
  CHECK(contains(e.what(), "emulator"));
}

TEST_CASE("a library that is no driver is refused by the entry point that it lacks") {
  Error e = thrown([] { Driver::open("libc.so.6"); });
  CHECK(e.code() == Code::absent);
  CHECK(contains(e.message(), "it has no cuInit"));
}

TEST_CASE("a driver without a device, and one that is too old, are absent") {
  fresh_fake_driver();
  PJ_FAKE(fake_devices)(0);
  CHECK(contains(thrown([] { Driver::open(PAGEJIT_FAKE_CUDA); }).what(), "PJ0012: the CUDA driver finds no device"));
  PJ_FAKE(fake_devices)(1);
  PJ_FAKE(fake_version)(11080);
  CHECK(contains(thrown([] { Driver::open(PAGEJIT_FAKE_CUDA); }).what(), "it is of CUDA 11.8"));
}

TEST_CASE("a failed call names the call, the code's name and what we were doing") {
  auto driver = fresh_fake_driver();
  Error e = thrown([&] { driver->check(719, "cuLaunchKernelEx", "launching flatten"); });
  CHECK(std::string(e.what()) ==
        "pagejit: error PJ0013: cuLaunchKernelEx failed while launching flatten\n"
        "  result   CUDA_ERROR_LAUNCH_FAILED (719)\n"
        "  meaning  unspecified launch failure");
  CHECK(contains(thrown([&] { driver->check(12345, "cuX", "y"); }).what(), "result code 12345"));
}

/// Everything that the runtime asks of a driver, once.
void use_everything(const std::shared_ptr<const Driver>& driver) {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [](Artifact& a) { a.facts.dynamic_shared = 100 << 10; };
  CudaBackend backend(std::make_shared<Engine>(compiler, options_for("")),
                      {.ordinal = 0, .target = {}, .driver = driver});
  const LoadedKernel& kernel = backend.load(sample_request());
  OwnStream stream(backend.device());
  Mark start(backend.device()), end(backend.device());
  char bytes[64] = {};
  void* p = backend.allocate(64, "a buffer");
  struct Release {
    CudaBackend& backend;
    void* p;
    ~Release() {
      try {
        backend.release(p);
      } catch (const Error&) {
      }
    }
  };
  {
    Release release{backend, p};
    backend.capturing(stream.get());
    backend.copy_in(p, bytes, 64, stream.get());
    backend.fill(p, 1, 64, stream.get());
    copy_on_device(backend.device(), p, p, 0, stream.get());
    start.record(stream.get());
    backend.launch(kernel, {1, 1, 1}, bytes, stream.get());
    end.record(stream.get());
    end.ms_since(start);
    Replay replay(backend.device(), stream.get(), [&] { backend.launch(kernel, {1, 1, 1}, bytes, stream.get()); });
    replay.launch(stream.get());
    backend.copy_out(bytes, p, 64, stream.get());
    backend.synchronise(stream.get());
    free_bytes(backend.device());
  }
  void* q = backend.allocate(1, nullptr);
  backend.release(q);
}

const std::vector<const char*> quiet_calls{
    // These end something: there is nothing left to be done about their failure, and nobody to tell.
    "cuDevicePrimaryCtxRelease_v2", "cuCtxPopCurrent_v2", "cuLibraryUnload", "cuLinkDestroy", "cuStreamDestroy_v2",
    "cuGraphExecDestroy", "cuGraphDestroy", "cuEventDestroy_v2", "cuGetErrorName", "cuGetErrorString",
    // There is another way.
    "cuTensorMapEncodeTiled"};

TEST_CASE("a tensor that the driver has no map for is no error") {
  auto driver = fresh_fake_driver();
  CudaBackend backend(std::make_shared<Engine>(std::make_shared<CountingCompiler>(), options_for("")),
                      {.ordinal = 0, .target = {}, .driver = driver});
  TensorMap map;
  CHECK_FALSE(backend.describe(BoxedTensor{}, map));
}

TEST_CASE("each call of the driver that fails becomes an error that names it, and nothing is leaked") {
  std::vector<const char*> symbols{
#define PJ_DRIVER(member, symbol, parameters) #symbol,
#include "runtime/cuda/driver_api.def"
#undef PJ_DRIVER
  };
  for (const char* symbol : symbols) {
    CAPTURE(symbol);
    auto driver = fresh_fake_driver();
    long before = PJ_FAKE(fake_live_allocations)();
    PJ_FAKE(fake_fail)(symbol, 719, 0);
    bool quiet = false;
    for (const char* name : quiet_calls) quiet = quiet || std::string_view(name) == symbol;
    Error e = thrown([&] { use_everything(Driver::open(PAGEJIT_FAKE_CUDA)); });
    if (quiet) {
      CHECK(e.message() == "nothing was thrown");
      continue;
    }
    // Assembling has its own words; every other call is named as in NVIDIA's documents, without a version suffix.
    std::string name = std::string(symbol).substr(0, std::string(symbol).find("_v2"));
    if (name == "cuGraphInstantiateWithFlags") name = "cuGraphInstantiate";
    bool assembling = name == "cuLinkAddData" || name == "cuLinkComplete";
    CHECK(e.code() == (assembling ? Code::compile : Code::driver));
    CHECK(contains(e.what(), assembling ? "cannot assemble" : name + " failed while "));
    CHECK(contains(e.what(), "CUDA_ERROR_LAUNCH_FAILED"));
    CHECK(PJ_FAKE(fake_calls)(symbol) > 0);
    CHECK(PJ_FAKE(fake_live_allocations)() == before);
  }
}

TEST_CASE("when nothing fails, everything works and nothing is leaked") {
  auto driver = fresh_fake_driver();
  long before = PJ_FAKE(fake_live_allocations)();
  CHECK(thrown([&] { use_everything(driver); }).message() == "nothing was thrown");
  CHECK(PJ_FAKE(fake_live_allocations)() == before);
}
}  // namespace
}  // namespace pagejit::cuda
