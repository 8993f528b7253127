// Bulk copies and the mbarriers that they report to: there for those who waited for the phase, and for nobody else.
#include <doctest/doctest.h>

#include <numeric>

#include "tests/compiler/emulator_support.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

using Kind = Finding::Kind;

constexpr int words = 64;  // that one copy brings

std::vector<int> counting(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 1);
  return all;
}

struct Steps {
  bool fenced = true;          // a barrier after the mbarrier is made
  int expected = words * 4;    // bytes announced
  int copied = words * 4;      // bytes copied
  int from = 0;                // word of the input
  int parity = 0;              // that is waited for
  unsigned waiting_warps = 3;  // of two: a bit each
};

/// Thread 0 copies words to a tile; 64 threads, some of which wait, write out a word each.
std::vector<Finding> bulk_copy(HandEmulator& e, void* out, const Steps& s) {
  void* in = e.buffer("input", counting(words));
  return e.run(64, {in, out, 0}, [s](HandKernel& k) {
    auto& ir = k.ir();
    int from = k.in(Elem::i32), to = k.out(Elem::i32);
    int tile = k.tile("stage", Elem::i32, words), barrier = k.tile("arrivals", Elem::i64, 1);
    llvm::Value* at = k.at(barrier, k.i32(0));
    llvm::Value* first = ir.CreateICmpEQ(k.thread(), k.i32(0));
    k.when(first, [&] { k.op(MachineOp::mbarrier_init, {at, k.i32(1)}); });
    if (s.fenced) k.barrier();
    k.when(first, [&] {
      k.op(MachineOp::copy_bulk, {k.at(tile, k.i32(0)), k.at(from, k.i32(s.from)), k.i32(s.copied), at});
      k.op(MachineOp::mbarrier_expect, {at, k.i32(s.expected)});
    });
    llvm::Value* warp = ir.CreateLShr(k.thread(), 5);
    llvm::Value* waits = ir.CreateTrunc(ir.CreateLShr(k.i32(static_cast<int>(s.waiting_warps)), warp), ir.getInt1Ty());
    k.when(waits, [&] { k.op(MachineOp::mbarrier_wait, {at, k.i32(s.parity)}); });
    k.store(to, k.thread(), k.load(tile, k.thread(), ir.getInt32Ty()));
  });
}

bool found(const std::vector<Finding>& all, Kind kind, std::string_view detail) {
  for (const Finding& f : all)
    if (f.kind == kind && f.detail.find(detail) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("emulator: a bulk copy is there for every thread that waited for its phase, without a barrier") {
  HandEmulator e;
  void* out = e.room("output", words * 4);
  CHECK(bulk_copy(e, out, {}).empty());
  CHECK(e.contents<int>(out, words) == counting(words));
}

TEST_CASE("emulator: reading a bulk copy that nobody waited for is found, and so is leaving it behind") {
  HandEmulator e({.throw_on_finding = false, .max_findings = 1000});
  auto all = bulk_copy(e, e.room("output", words * 4), {.waiting_warps = 0});
  CHECK(found(all, Kind::uninitialised, "belongs to an asynchronous copy that was not waited for"));
  CHECK(found(all, Kind::uninitialised, "still under way when the block ended"));
}

TEST_CASE("emulator: another warp's wait does not make a bulk copy this one's to read") {
  HandEmulator e({.throw_on_finding = false, .max_findings = 1000});
  auto all = bulk_copy(e, e.room("output", words * 4), {.waiting_warps = 1});
  CHECK(all.size() == 32);
  for (const Finding& f : all) {
    CHECK((f.kind == Kind::race || f.kind == Kind::uninitialised));  // it may come before the copy
    CHECK(f.thread >= 32);
  }
}

TEST_CASE("emulator: a phase does not end before all announced bytes have come") {
  HandEmulator e;
  auto all = bulk_copy(e, e.room("output", words * 4), {.expected = words * 4 + 16});
  CHECK(found(all, Kind::divergent, "wait at the mbarrier"));
}

TEST_CASE("emulator: waiting for a phase before the first is no wait at all") {
  HandEmulator e({.throw_on_finding = false, .max_findings = 1000});
  auto all = bulk_copy(e, e.room("output", words * 4), {.parity = 1, .waiting_warps = 2});
  CHECK(found(all, Kind::uninitialised, "was not waited for"));
}

TEST_CASE("emulator: an mbarrier that others may not have seen made is a finding") {
  HandEmulator e;
  auto all = bulk_copy(e, e.room("output", words * 4), {.fenced = false});
  CHECK(found(all, Kind::race, "no barrier stands between"));
}

TEST_CASE("emulator: a bulk copy's size and source are checked") {
  HandEmulator e;
  void* out = e.room("output", words * 4);
  CHECK(found(bulk_copy(e, out, {.copied = 24}), Kind::misaligned, "a bulk copy of 24 bytes"));
  CHECK(found(bulk_copy(e, out, {.from = 2}), Kind::misaligned, "8 bytes past a multiple of 16"));
  auto past = bulk_copy(e, out, {.from = 4});
  REQUIRE_FALSE(past.empty());
  CHECK(past[0].kind == Kind::out_of_bounds);
  CHECK(past[0].tensor == "in");
  CHECK(past[0].index == words);
}

TEST_CASE("emulator: stages are used again and again, a phase after the other, if readers are done with them") {
  for (bool barrier : {true, false}) {
    constexpr int turns = 5;
    HandEmulator e({.throw_on_finding = false, .max_findings = 1000});
    void* in = e.buffer("input", counting(turns * words));
    void* out = e.room("output", turns * words * 4);
    auto all = e.run(64, {in, out, 0}, [&](HandKernel& k) {
      auto& ir = k.ir();
      int from = k.in(Elem::i32), to = k.out(Elem::i32);
      int tile = k.tile("stage", Elem::i32, words), arrivals = k.tile("arrivals", Elem::i64, 1);
      llvm::Value *at = k.at(arrivals, k.i32(0)), *first = ir.CreateICmpEQ(k.thread(), k.i32(0));
      k.when(first, [&] { k.op(MachineOp::mbarrier_init, {at, k.i32(1)}); });
      k.barrier();
      for (int turn = 0; turn < turns; ++turn) {
        k.when(first, [&] {
          k.op(MachineOp::mbarrier_expect, {at, k.i32(words * 4)});
          k.op(MachineOp::copy_bulk, {k.at(tile, k.i32(0)), k.at(from, k.i32(turn * words)), k.i32(words * 4), at});
        });
        k.op(MachineOp::mbarrier_wait, {at, k.i32(turn % 2)});
        llvm::Value* got = k.load(tile, k.thread(), ir.getInt32Ty());
        k.store(to, ir.CreateAdd(k.thread(), k.i32(turn * words)), got);
        if (barrier) k.barrier();
      }
    });
    CHECK(all.empty() == barrier);
    if (barrier) CHECK(e.contents<int>(out, turns * words) == counting(turns * words));
    // One thread runs ahead, and the others wait for a phase that is long over.
    CHECK(found(all, Kind::divergent, "wait at the mbarrier") == !barrier);
  }
}

TEST_CASE("emulator: more arrivals than an mbarrier expects are a finding") {
  HandEmulator e;
  auto all = e.run(32, {nullptr, nullptr, 0}, [&](HandKernel& k) {
    int barrier = k.tile("arrivals", Elem::i64, 1);
    llvm::Value* at = k.at(barrier, k.i32(0));
    k.when(k.ir().CreateICmpEQ(k.thread(), k.i32(0)), [&] {
      k.op(MachineOp::mbarrier_init, {at, k.i32(1)});
      k.op(MachineOp::mbarrier_expect, {at, k.i32(16)});
      k.op(MachineOp::mbarrier_arrive, {at});
    });
  });
  CHECK(found(all, Kind::divergent, "more than 1 arrivals in a phase"));
}
