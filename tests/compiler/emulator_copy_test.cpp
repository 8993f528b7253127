// Asynchronous copies: they arrive when their thread has waited, and not before.
#include <doctest/doctest.h>

#include "tests/compiler/emulator_support.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

using Kind = Finding::Kind;

std::vector<int> counting(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i + 1;
  return all;
}

struct Steps {
  bool wait = true, barrier = true;
  int pending = 0;    // how many groups may still be under way
  int neighbour = 1;  // whose piece a thread reads afterwards
};

/// Each thread copies four words to a tile, in two groups (two words each), and writes out a neighbour's four.
std::vector<Finding> staged_copy(HandEmulator& e, void* out, const Steps& s) {
  void* in = e.buffer("input", counting(64 * 4));
  return e.run(64, {in, out, 0}, [s](HandKernel& k) {
    auto& ir = k.ir();
    int from = k.in(Elem::i32), to = k.out(Elem::i32), tile = k.tile("stage", Elem::i32, 64 * 4);
    llvm::Value* mine = ir.CreateMul(k.thread(), k.i32(4));
    for (int half = 0; half < 2; ++half) {
      llvm::Value* at = ir.CreateAdd(mine, k.i32(half * 2));
      k.op(MachineOp::copy_async_8, {k.at(tile, at), k.at(from, at), k.i32(8)});
      k.op(MachineOp::copy_async_commit);
    }
    if (s.wait) k.op(MachineOp::copy_async_wait, {k.i32(s.pending)});
    if (s.barrier) k.barrier();
    llvm::Value* other = ir.CreateMul(ir.CreateURem(ir.CreateAdd(k.thread(), k.i32(s.neighbour)), k.i32(64)), k.i32(4));
    for (int i = 0; i < 4; ++i)
      k.store(to, ir.CreateAdd(mine, k.i32(i)), k.load(tile, ir.CreateAdd(other, k.i32(i)), ir.getInt32Ty()));
  });
}

}  // namespace

TEST_CASE("emulator: an asynchronous copy that was waited for, then a barrier: everyone may read it") {
  HandEmulator e;
  void* out = e.room("output", 64 * 16);
  CHECK(staged_copy(e, out, {}).empty());
  auto got = e.contents<int>(out, 256);
  for (int i = 0; i < 256; ++i) CHECK(got[static_cast<std::size_t>(i)] == (i + 4) % 256 + 1);
}

TEST_CASE("emulator: reading an asynchronous copy that nobody waited for is found") {
  HandEmulator e;
  void* out = e.room("output", 64 * 16);
  auto found = staged_copy(e, out, {.wait = false});
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].kind == Kind::uninitialised);
  CHECK(found[0].tensor == "stage");
  CHECK(found[0].detail == "byte 0 of the access belongs to an asynchronous copy that was not waited for");
}

TEST_CASE("emulator: waiting for all but the last group leaves just that one's bytes unreadable") {
  HandEmulator e({.throw_on_finding = false, .max_findings = 1000});
  void* out = e.room("output", 64 * 16);
  auto found = staged_copy(e, out, {.pending = 1});
  CHECK(found.size() == 128);
  for (const Finding& f : found) CHECK(f.index % 4 >= 2);
}

TEST_CASE("emulator: a thread's own wait does not make its copy safe for others: that takes a barrier") {
  HandEmulator e;
  void* out = e.room("output", 64 * 16);
  CHECK(staged_copy(e, out, {.barrier = false, .neighbour = 0}).empty());
  auto found = staged_copy(e, out, {.barrier = false, .neighbour = 63});  // the thread before, which has waited
  bool race = false;
  for (const Finding& f : found) race |= f.kind == Kind::race && f.thread == 1 && f.other_thread == 0;
  CHECK(race);
}

TEST_CASE("emulator: copying over what others may still be reading is a race from the moment of issue") {
  for (bool barrier : {true, false}) {
    HandEmulator e;
    void* in = e.buffer("input", counting(64));
    auto found = e.run(64, {in, nullptr, 0}, [&](HandKernel& k) {
      int from = k.in(Elem::i32), tile = k.tile("stage", Elem::i32, 64);
      llvm::Value* next = k.ir().CreateXor(k.thread(), k.i32(32));
      k.store(tile, k.thread(), k.thread());
      k.barrier();
      k.load(tile, next, k.ir().getInt32Ty());
      if (barrier) k.barrier();
      k.op(MachineOp::copy_async_4, {k.at(tile, k.thread()), k.at(from, k.thread()), k.i32(4)});
    });
    CHECK(found.empty() == barrier);
    bool race = false;
    for (const Finding& f : found) race |= f.kind == Kind::race && f.write && f.other_thread >= 32;
    CHECK(race == !barrier);
  }
}

TEST_CASE("emulator: a copy reads only the bytes it was told to and fills the rest of its piece with zeros") {
  for (int read : {0, 2, 4, 12, 16}) {
    HandEmulator e;
    void* in = e.buffer("input", std::vector<unsigned char>(static_cast<std::size_t>(read), 0xee));
    void* out = e.room("output", 16);
    auto found = e.run(32, {in, out, 0}, [&](HandKernel& k) {
      int from = k.in(Elem::i32), to = k.out(Elem::i32), tile = k.tile("stage", Elem::i32, 4);
      llvm::Value* first = k.ir().CreateICmpEQ(k.thread(), k.i32(0));
      k.when(first, [&] {
        k.op(MachineOp::copy_async_16, {k.at(tile, k.i32(0)), k.at(from, k.i32(0)), k.i32(read)});
        k.op(MachineOp::copy_async_commit);
        k.op(MachineOp::copy_async_wait, {k.i32(0)});
        for (int i = 0; i < 4; ++i) k.store(to, k.i32(i), k.load(tile, k.i32(i), k.ir().getInt32Ty()));
      });
    });
    CHECK(found.empty());
    auto got = e.contents<unsigned char>(out, 16);
    for (int i = 0; i < 16; ++i) CHECK(got[static_cast<std::size_t>(i)] == (i < read ? 0xee : 0));
  }
}

TEST_CASE("emulator: the source of a copy is checked like any other read") {
  HandEmulator e;
  void* in = e.buffer("input", counting(3));
  auto copy_at = [&](int index, MachineOp op, int bytes) {
    return e.run(32, {in, nullptr, 0}, [=](HandKernel& k) {
      int from = k.in(Elem::i32), tile = k.tile("stage", Elem::i32, 4);
      k.when(k.ir().CreateICmpEQ(k.thread(), k.i32(3)), [&] {
        k.op(op, {k.at(tile, k.i32(0)), k.at(from, k.i32(index)), k.i32(bytes)});
      });
    });
  };
  CHECK(copy_at(2, MachineOp::copy_async_4, 4).empty());
  auto past = copy_at(3, MachineOp::copy_async_4, 4);
  REQUIRE(past.size() == 1);
  CHECK(past[0].kind == Kind::out_of_bounds);
  CHECK(past[0].tensor == "in");
  CHECK(past[0].index == 3);
  CHECK(past[0].thread == 3);
  auto askew = copy_at(1, MachineOp::copy_async_8, 8);
  REQUIRE(askew.size() == 1);
  CHECK(askew[0].kind == Kind::misaligned);
  CHECK_MESSAGE(copy_at(3, MachineOp::copy_async_4, 0).empty(), "a copy of nothing reads nothing");
}
