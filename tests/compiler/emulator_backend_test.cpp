// The emulator as a backend: kernels once, memory checked, numbers counted.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "tests/compiler/emulator_support.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

Emitted store_thread(Lowering& lowering) {
  Emitted made;
  made.context = std::make_unique<llvm::LLVMContext>();
  made.module = std::make_unique<llvm::Module>("hand", *made.context);
  HandKernel k(lowering, made);
  k.store(k.out(Elem::i32), k.thread(), k.thread());
  k.finish(32);
  return made;
}

}  // namespace

TEST_CASE("emulator: eight threads that ask for the same three kernels compile three") {
  std::atomic<int> emitted = 0;
  EmulatorBackend backend([&](const Request&, Lowering& lowering) {
    ++emitted;
    return store_thread(lowering);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 3; ++i) backend.load(make_request("hand n=" + std::to_string(i), "emulator", "", ""));
    });
  for (auto& t : threads) t.join();
  CHECK(emitted == 3);
  CHECK(backend.statistics().compiles == 3);
  CHECK(backend.statistics().launches == 0);
  backend.load(make_request("hand n=1", "emulator", "", ""));
  CHECK(backend.statistics().compiles == 3);
  CHECK(backend.statistics().memory_hits >= 1);
}

TEST_CASE("emulator: launches from several threads take turns") {
  EmulatorBackend backend([](const Request&, Lowering& lowering) { return store_thread(lowering); });
  const LoadedKernel& kernel = backend.load(make_request("hand", "emulator", "", ""));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      HandParams params;
      void* out = backend.allocate(128, "out");
      params.out = out;
      for (int i = 0; i < 50; ++i) backend.launch(kernel, {1, 1, 1}, &params, nullptr);
      int last = 0;
      backend.copy_out(&last, static_cast<char*>(out) + 124, 4, nullptr);
      CHECK(last == 31);
      backend.release(out);
    });
  for (auto& t : threads) t.join();
  CHECK(backend.statistics().launches == 200);
}

TEST_CASE("emulator: a kernel that could not be emitted is tried again at the next request") {
  int calls = 0;
  EmulatorBackend backend([&](const Request&, Lowering& lowering) {
    if (++calls == 1) fail(Code::unsupported, "not today");
    return store_thread(lowering);
  });
  Request request = make_request("hand", "emulator", "", "");
  CHECK_THROWS_AS(backend.load(request), pagejit::Error);
  CHECK(backend.load(request).facts().symbol == "hand");
  CHECK(backend.statistics().compiles == 1);
}

TEST_CASE("emulator: IR that LLVM's verifier refuses is an error with its words, not a crash") {
  EmulatorBackend backend([](const Request&, Lowering& lowering) {
    Emitted made = store_thread(lowering);
    made.module->getFunction("hand")->begin()->back().eraseFromParent();  // no return
    return made;
  });
  try {
    backend.load(make_request("hand", "emulator", "", ""));
    FAIL("nothing was thrown");
  } catch (const pagejit::Error& error) {
    CHECK(error.message().find("does not have terminator") != std::string::npos);
  }
}

TEST_CASE("emulator: copies and fills outside an allocation are refused, in words, before anything is written") {
  HandEmulator e;
  char* p = static_cast<char*>(e.room("small", 16));
  char host[32] = {};
  e.backend.fill(p, 7, 16, nullptr);
  CHECK_THROWS_WITH_AS(e.backend.fill(p + 8, 1, 9, nullptr),
                       doctest::Contains("fill: 9 bytes from byte 8 of 'small', which has 16"), pagejit::Error);
  CHECK_THROWS_AS(e.backend.copy_in(host, p, 1, nullptr), pagejit::Error);
  CHECK_THROWS_AS(e.backend.copy_out(host, p, 17, nullptr), pagejit::Error);
  CHECK_THROWS_AS(e.backend.release(p + 1), pagejit::Error);
  CHECK(e.contents<char>(p, 16) == std::vector<char>(16, 7));
  e.backend.release(p);
  CHECK_THROWS_AS(e.backend.fill(p, 1, 1, nullptr), pagejit::Error);
}

TEST_CASE("emulator: adopted memory may be sparse, larger than the machine's, and addressed beyond 2^32") {
  constexpr std::size_t huge = std::size_t{1} << 38;
  void* region = mmap(nullptr, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(region != MAP_FAILED);
  HandEmulator e;
  e.backend.adopt(region, huge, "huge");
  CHECK_THROWS_AS(e.backend.adopt(static_cast<char*>(region) + 64, 64, "inside"), pagejit::Error);
  auto found = e.run(32, {nullptr, region, 0}, [](HandKernel& k) {
    int out = k.out(Elem::i32);
    k.store(out, k.ir().CreateMul(k.ir().CreateZExt(k.thread(), k.ir().getInt64Ty()), k.i64((huge / 4 - 1) / 31)),
            k.thread());
  });
  CHECK(found.empty());
  CHECK(static_cast<int*>(region)[(huge / 4 - 1) / 31 * 31] == 31);
  e.backend.release(region);
  munmap(region, huge);
}
