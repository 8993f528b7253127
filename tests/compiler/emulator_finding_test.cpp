// Each kind of finding, by a kernel with one mistake; and the same kernel without it.
#include <doctest/doctest.h>

#include "tests/compiler/emulator_support.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

using Kind = Finding::Kind;
using Block = std::array<std::uint32_t, 3>;

std::vector<int> counting(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}

/// out[i] = in[i] for i = block · 32 + thread, below `limit`.
HandEmulator::Body copy_below(int limit) {
  return [limit](HandKernel& k) {
    int in = k.in(Elem::i32), out = k.out(Elem::i32);
    llvm::Value* block = k.op(MachineOp::program_id_x);
    llvm::Value* i = k.ir().CreateAdd(k.ir().CreateMul(block, k.i32(32)), k.thread());
    llvm::Value* live = k.ir().CreateICmpSLT(i, k.i32(limit));
    k.store(out, i, k.load(in, i, k.ir().getInt32Ty(), 1, live), live);
  };
}

}  // namespace

TEST_CASE("emulator: a copy within its bounds is right and finds nothing") {
  HandEmulator e;
  void *in = e.buffer("input", counting(100)), *out = e.room("output", 400);
  auto found = e.run(32, {in, out, 0}, copy_below(100), {4});
  CHECK(found.empty());
  CHECK(e.contents<int>(out, 100) == counting(100));
}

TEST_CASE("emulator: a read one element past the end names kernel, block, thread, tensor and index") {
  HandEmulator e;
  void *in = e.buffer("input", counting(100)), *out = e.room("output", 512);
  auto found = e.run(32, {in, out, 0}, copy_below(101), {4});
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::out_of_bounds);
  CHECK(found[0].kernel == "hand");
  CHECK(found[0].block == Block{3, 0, 0});
  CHECK(found[0].thread == 4);
  CHECK(found[0].tensor == "in");
  CHECK(found[0].index == 100);
  CHECK(found[0].offset == 400);
  CHECK_FALSE(found[0].write);
  CHECK(found[0].text() ==
        "out of bounds in kernel 'hand', block (3, 0, 0), thread 4: a read of 4 bytes at in[100], byte 400 from its "
        "start; 4 bytes "
        "past its end; the memory that holds it ('input') has 400 bytes, of which the tensor starts at 0");
}

TEST_CASE("emulator: a write past the end is suppressed and its neighbour stays as it was") {
  HandEmulator e;
  void *in = e.buffer("input", counting(128)), *out = e.buffer("output", std::vector<int>(128, -1));
  char* small = static_cast<char*>(e.room("small", 64));
  auto found = e.run(32, {in, small, 0}, copy_below(17), {1});
  REQUIRE(found.size() == 1);
  CHECK(found[0].write);
  CHECK(found[0].tensor == "out");
  CHECK(found[0].index == 16);
  CHECK(e.contents<int>(out, 128) == std::vector<int>(128, -1));
}

TEST_CASE("emulator: an index before the tensor's base is counted below zero") {
  HandEmulator e;
  void *in = e.buffer("input", counting(32)), *out = e.room("output", 128);
  auto found = e.run(32, {in, out, 0}, [](HandKernel& k) {
    int from = k.in(Elem::i32), to = k.out(Elem::i32);
    k.store(to, k.thread(), k.load(from, k.ir().CreateSub(k.thread(), k.i32(1)), k.ir().getInt32Ty()));
  });
  REQUIRE(found.size() == 1);
  CHECK(found[0].index == -1);
  CHECK(found[0].thread == 0);
}

TEST_CASE("emulator: a pointer that was never allocated or adopted is out of bounds, in clear words") {
  HandEmulator e;
  int mine[32] = {};
  void* out = e.room("output", 128);
  auto found = e.run(32, {static_cast<void*>(mine), out, 0}, copy_below(1));
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::out_of_bounds);
  CHECK(found[0].detail.find("is in no memory that the emulator knows") != std::string::npos);
  e.backend.adopt(mine, sizeof mine, "mine");
  CHECK(e.run(32, {static_cast<void*>(mine), out, 0}, copy_below(32)).empty());
}

TEST_CASE("emulator: a shared access outside its tile is found though it is inside the window") {
  for (int elements : {33, 32}) {
    HandEmulator e;
    void* out = e.room("output", 256);
    auto found = e.run(32, {nullptr, out, 0}, [&](HandKernel& k) {
      int first = k.tile("first", Elem::i32, elements - 1);
      k.tile("second", Elem::i32, 32);
      k.store(first, k.thread(), k.thread());
    });
    CHECK(found.size() == (elements == 33 ? 0 : 1));
    if (found.empty()) continue;
    CHECK(found[0].kind == Kind::out_of_bounds);
    CHECK(found[0].tensor == "first");
    CHECK(found[0].thread == 31);
    CHECK(found[0].index == 31);
  }
}

TEST_CASE("emulator: a vector access needs an address that is a multiple of its size") {
  for (int shift : {0, 1}) {
    HandEmulator e;
    void* in = e.buffer("input", counting(64));
    auto found = e.run(32, {in, nullptr, 0}, [&](HandKernel& k) {
      int from = k.in(Elem::i32);
      llvm::Value* one = k.ir().CreateICmpEQ(k.thread(), k.i32(5));
      k.load(from, k.i32(8 + shift), k.ir().getInt32Ty(), 4, one);
    });
    CHECK(found.size() == static_cast<std::size_t>(shift));
    if (found.empty()) continue;
    CHECK(found[0].kind == Kind::misaligned);
    CHECK(found[0].thread == 5);
    CHECK(found[0].tensor == "in");
    CHECK(found[0].index == 9);
    CHECK(found[0].bytes == 16);
  }
}

TEST_CASE("emulator: bytes that nobody wrote may not be read") {
  HandEmulator e;
  void* in = e.room("input", 128);
  void* out = e.room("output", 128);
  e.backend.fill(in, 1, 124, nullptr);
  auto found = e.run(32, {in, out, 0}, copy_below(32));
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::uninitialised);
  CHECK(found[0].thread == 31);
  CHECK(found[0].index == 31);
  e.backend.fill(in, 1, 128, nullptr);
  CHECK(e.run(32, {in, out, 0}, copy_below(32)).empty());
  CHECK_MESSAGE(e.run(32, {out, in, 0}, copy_below(32)).empty(), "what a kernel wrote may be read");
}

TEST_CASE("emulator: poisoned bytes may not be read, and are free again when the poison is taken away") {
  HandEmulator e;
  void *in = e.buffer("input", counting(32)), *out = e.room("output", 128);
  e.backend.poison(static_cast<char*>(in) + 41, 1);
  auto found = e.run(32, {in, out, 0}, copy_below(32));
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::poisoned);
  CHECK(found[0].index == 10);
  CHECK_MESSAGE(e.contents<int>(out, 32)[10] == 0, "the read was suppressed");
  e.backend.unpoison(in, 128);
  CHECK(e.run(32, {in, out, 0}, copy_below(32)).empty());
}

TEST_CASE("emulator: shared memory is unwritten at the start of every block") {
  HandEmulator e;
  void* out = e.room("output", 128);
  auto found =
      e.run(32, {nullptr, out, 0},
            [](HandKernel& k) {
              int tile = k.tile("tile", Elem::i32, 32), to = k.out(Elem::i32);
              llvm::Value* first = k.ir().CreateICmpEQ(k.op(MachineOp::program_id_x), k.i32(0));
              k.store(tile, k.thread(), k.thread(), first);
              llvm::Value* one = k.ir().CreateICmpEQ(k.thread(), k.i32(7));
              k.store(to, k.op(MachineOp::program_id_x), k.load(tile, k.thread(), k.ir().getInt32Ty(), 1, one), one);
            },
            {2});
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::uninitialised);
  CHECK(found[0].block == Block{1, 0, 0});
  CHECK(found[0].thread == 7);
  CHECK(found[0].tensor == "tile");
  CHECK(found[0].index == 7);
}

TEST_CASE("emulator: a launch with a finding throws where that was asked for, and says what was found") {
  HandEmulator e(EmulatorOptions{});
  void *in = e.buffer("input", counting(8)), *out = e.room("output", 128);
  try {
    e.run(32, {in, out, 0}, copy_below(32));
    FAIL("nothing was thrown");
  } catch (const pagejit::Error& error) {
    CHECK(error.message().find("out of bounds in kernel 'hand', block (0, 0, 0), thread 8") == 0);
    CHECK(error.fields().size() == 4);
  }
}

TEST_CASE("emulator: a launch is given up when it has found enough") {
  HandEmulator e({.throw_on_finding = false, .max_findings = 5});
  void *in = e.buffer("input", counting(1)), *out = e.room("output", 128 * 64);
  CHECK(e.run(32, {in, out, 0}, copy_below(1000000), {64}).size() == 5);
  CHECK(e.run(32, {in, out, 0}, copy_below(1), {64}).empty());
}

TEST_CASE("emulator: a grid without blocks is refused, as a driver would") {
  HandEmulator e;
  CHECK_THROWS_AS(e.run(32, {}, copy_below(0), {0, 1, 1}), pagejit::Error);
  CHECK_THROWS_AS(e.run(32, {}, copy_below(0), {1, 65536, 1}), pagejit::Error);
}
