// Races and barriers: each by a kernel with one mistake, and the same kernel mended.
#include <doctest/doctest.h>

#include "tests/compiler/emulator_support.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

using Kind = Finding::Kind;
using Block = std::array<std::uint32_t, 3>;

/// Each thread writes its own number to a tile and reads that of the thread `distance` further on, after `between`.
std::vector<Finding> exchange(int block, int distance, const std::function<void(HandKernel&)>& between,
                              std::vector<int>* result = nullptr) {
  HandEmulator e;
  void* out = e.room("output", static_cast<std::size_t>(block) * 4);
  auto found = e.run(block, {nullptr, out, 0}, [&](HandKernel& k) {
    int tile = k.tile("tile", Elem::i32, block), to = k.out(Elem::i32);
    k.store(tile, k.thread(), k.thread());
    between(k);
    llvm::Value* other = k.ir().CreateURem(k.ir().CreateAdd(k.thread(), k.i32(distance)), k.i32(block));
    k.store(to, k.thread(), k.load(tile, other, k.ir().getInt32Ty()));
  });
  if (result) *result = e.contents<int>(out, static_cast<std::size_t>(block));
  return found;
}

void nothing(HandKernel&) {}

}  // namespace

TEST_CASE("emulator: a barrier lets 512 threads exchange values without a race") {
  std::vector<int> got;
  CHECK(exchange(
            512, 100, [](HandKernel& k) { k.barrier(); }, &got)
            .empty());
  for (int i = 0; i < 512; ++i) CHECK(got[static_cast<std::size_t>(i)] == (i + 100) % 512);
}

TEST_CASE("emulator: without the barrier the exchange is a race or a read of what nobody wrote yet") {
  auto found = exchange(64, 63, nothing);  // thread 1 reads what thread 0 has already written
  REQUIRE_FALSE(found.empty());
  bool race = false;
  for (const Finding& f : found) {
    if (f.kind != Kind::race) continue;
    if (!race) {
      CHECK(f.kernel == "hand");
      CHECK(f.block == Block{0, 0, 0});
      CHECK(f.tensor == "tile");
      CHECK(f.thread == 1);
      CHECK(f.index == 0);
      CHECK(f.other_thread == 0);
      CHECK(f.other_block == Block{0, 0, 0});
      CHECK_FALSE(f.write);
      CHECK(f.detail == "thread 0 wrote the same bytes and no barrier stands between");
    }
    race = true;
  }
  CHECK(race);
}

TEST_CASE("emulator: warp_sync orders the lanes of a warp, and only them") {
  auto sync = [](HandKernel& k) { k.op(MachineOp::warp_sync); };
  CHECK(exchange(32, 1, sync).empty());
  auto found = exchange(64, 63, sync);  // thread 32 reads what thread 31, of the first warp, wrote
  REQUIRE(found.size() >= 1);
  CHECK(found.back().kind == Kind::race);
  CHECK(found.back().thread == 32);
  CHECK(found.back().other_thread == 31);
}

TEST_CASE("emulator: a shuffle is no barrier for memory") {
  auto shuffle = [](HandKernel& k) { k.op(MachineOp::shuffle_xor, {k.thread(), k.i32(1)}); };
  CHECK_FALSE(exchange(32, 1, shuffle).empty());
}

TEST_CASE("emulator: a barrier of two warps orders those two and no third") {
  auto group = [](HandKernel& k) {
    k.when(
        k.ir().CreateICmpULT(k.thread(), k.i32(64)),
        [&] {
          k.op(MachineOp::barrier_group, {k.i32(1), k.i32(64)});
        },
        [&] {
          k.op(MachineOp::barrier_group, {k.i32(2), k.i32(32)});
        });
  };
  auto found = exchange(96, 95, group);  // 32 reads what 31 wrote: fine; 64 what 63 did, and 0 what 95 did: races
  REQUIRE(found.size() == 2);
  for (const Finding& f : found) {
    CHECK(f.kind == Kind::race);
    CHECK(((f.thread == 64 && f.other_thread == 63) || (f.thread == 0 && f.other_thread == 95)));
  }
}

TEST_CASE("emulator: a warp that arrives at a barrier hands over what it did before, and only that") {
  for (bool early : {true, false}) {
    HandEmulator e;
    auto found = e.run(64, {}, [&](HandKernel& k) {
      int tile = k.tile("tile", Elem::i32, 1);
      llvm::Value* writer = k.ir().CreateICmpULT(k.thread(), k.i32(32));
      auto write = [&] { k.store(tile, k.i32(0), k.i32(7), k.ir().CreateICmpEQ(k.thread(), k.i32(0))); };
      auto arrive = [&] { k.op(MachineOp::barrier_arrive, {k.i32(1), k.i32(64)}); };
      auto read = [&] {
        k.op(MachineOp::barrier_group, {k.i32(1), k.i32(64)});
        k.load(tile, k.i32(0), k.ir().getInt32Ty());
      };
      k.when(
          writer,
          [&] {
            if (early) write();
            arrive();
            if (!early) write();
          },
          read);
    });
    CHECK(found.empty() == early);
    if (!early) CHECK(found[0].kind == Kind::race);
  }
}

TEST_CASE("emulator: writing what others still read is a race until a barrier comes") {
  for (bool barrier : {false, true}) {
    HandEmulator e;
    auto found = e.run(64, {}, [&](HandKernel& k) {
      int tile = k.tile("tile", Elem::i32, 1);
      llvm::Value* first = k.ir().CreateICmpEQ(k.thread(), k.i32(0));
      llvm::Value* last =
          k.ir().CreateICmpEQ(k.thread(), k.i32(31));  // runs last: 63's warp goes on from the barrier at once
      k.store(tile, k.i32(0), k.i32(7), first);
      k.barrier();
      k.load(tile, k.i32(0), k.ir().getInt32Ty());
      if (barrier) k.barrier();
      k.store(tile, k.i32(0), k.i32(8), last);
    });
    CHECK(found.size() == (barrier ? 0 : 1));
    if (found.empty()) continue;
    CHECK(found[0].kind == Kind::race);
    CHECK(found[0].write);
    CHECK(found[0].thread == 31);
    CHECK(found[0].detail.find(" read the same bytes") != std::string::npos);
  }
}

TEST_CASE("emulator: readers of all warps are remembered, not only the last one") {
  // Warps 0 and 1 read; then warps 1 and 2 meet; warp 2 writes: it knows of warp 1's read and not of warp 0's.
  HandEmulator e;
  auto found = e.run(96, {}, [](HandKernel& k) {
    int tile = k.tile("tile", Elem::i32, 1);
    auto is = [&](int t) { return k.ir().CreateICmpEQ(k.thread(), k.i32(t)); };
    k.store(tile, k.i32(0), k.i32(7), is(0));
    k.barrier();
    k.load(tile, k.i32(0), k.ir().getInt32Ty(), 1, k.ir().CreateOr(is(5), is(40)));
    k.when(k.ir().CreateICmpUGE(k.thread(), k.i32(32)), [&] { k.op(MachineOp::barrier_group, {k.i32(1), k.i32(64)}); });
    k.store(tile, k.i32(0), k.i32(8), is(70));
  });
  REQUIRE(found.size() == 1);
  CHECK(found[0].thread == 70);
  CHECK(found[0].other_thread == 5);
}

TEST_CASE("emulator: neighbouring bytes written by two threads are no race, whatever width was used before") {
  HandEmulator e;
  void* out = e.room("output", 64);
  auto found = e.run(64, {nullptr, out, 0}, [](HandKernel& k) {
    int wide = k.out(Elem::i32), narrow = k.out(Elem::u8);
    llvm::Value* four = llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(4), k.ir().getInt32(7));
    k.store(wide, k.ir().CreateMul(k.thread(), k.i32(4)), four, k.ir().CreateICmpULT(k.thread(), k.i32(4)));
    k.barrier();
    k.store(narrow, k.thread(), k.ir().CreateTrunc(k.thread(), k.ir().getInt8Ty()));
  });
  CHECK(found.empty());
  auto bytes = e.contents<unsigned char>(out, 64);
  for (std::size_t i = 0; i < 64; ++i) CHECK(bytes[i] == i);
}

TEST_CASE("emulator: two blocks that write one element race, and the finding names both") {
  for (int stride : {0, 1}) {
    HandEmulator e;
    void* out = e.room("output", 64);
    auto found = e.run(32, {nullptr, out, 0},
                       [&](HandKernel& k) {
                         int to = k.out(Elem::i32);
                         llvm::Value* y = k.op(MachineOp::program_id_y);
                         k.store(to, k.ir().CreateMul(y, k.i32(stride)), y, k.ir().CreateICmpEQ(k.thread(), k.i32(9)));
                       },
                       {1, 2, 1});
    CHECK(found.size() == (stride ? 0 : 1));
    if (found.empty()) continue;
    CHECK(found[0].kind == Kind::race);
    CHECK(found[0].block == Block{0, 1, 0});
    CHECK(found[0].other_block == Block{0, 0, 0});
    CHECK(found[0].other_thread == 9);
    CHECK(found[0].detail ==
          "thread 9 of block (0, 0, 0) wrote the same bytes, and nothing orders two blocks of a launch");
  }
}

TEST_CASE("emulator: a second launch may write what the first one wrote") {
  HandEmulator e;
  void* out = e.room("output", 128);
  auto body = [](HandKernel& k) { k.store(k.out(Elem::i32), k.thread(), k.thread()); };
  CHECK(e.run(32, {nullptr, out, 0}, body).empty());
  CHECK(e.run(32, {nullptr, out, 0}, body).empty());
}

TEST_CASE("emulator: atomics on one word are no race among themselves, and one with a plain access") {
  for (bool barrier : {true, false}) {
    HandEmulator e;
    void* out = e.room("output", 8);
    auto found = e.run(128, {nullptr, out, 0}, [&](HandKernel& k) {
      int tile = k.tile("tile", Elem::i32, 2), to = k.out(Elem::i32);
      llvm::Value* low = k.ir().CreateICmpULT(k.thread(), k.i32(2));
      k.store(tile, k.thread(), k.i32(0), low);
      k.barrier();
      k.op(MachineOp::shared_atomic_add, {k.at(tile, k.i32(0)), k.thread()});
      k.op(MachineOp::shared_atomic_max, {k.at(tile, k.i32(1)), k.thread()});
      if (barrier) k.barrier();
      llvm::Value* high = k.ir().CreateICmpUGE(k.thread(), k.i32(126));
      llvm::Value* which = k.ir().CreateSub(k.thread(), k.i32(126));
      k.store(to, which, k.load(tile, which, k.ir().getInt32Ty(), 1, high), high);
    });
    CHECK(found.empty() == barrier);
    if (!barrier) CHECK(found[0].kind == Kind::race);
    if (barrier) CHECK(e.contents<int>(out, 2) == std::vector<int>{127 * 64, 127});
  }
}

TEST_CASE("emulator: threads that wait at a barrier which others left out are found, and nothing hangs") {
  HandEmulator e;
  auto found =
      e.run(128, {}, [](HandKernel& k) { k.when(k.ir().CreateICmpULT(k.thread(), k.i32(96)), [&] { k.barrier(); }); },
            {2, 1, 1});
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == Kind::divergent);
  CHECK(found[0].block == Block{0, 0, 0});
  CHECK(found[1].block == Block{1, 0, 0});
  CHECK(found[0].thread == 0);
  CHECK(found[0].detail ==
        "it waits for threads that will not come: threads 0-95 wait at barrier 0; threads 96-127 have returned");
  CHECK(e.run(128, {}, [](HandKernel& k) { k.barrier(); }).empty());
}

TEST_CASE("emulator: lanes that left before a shuffle, or that wait elsewhere, are named") {
  HandEmulator e;
  auto found = e.run(32, {}, [](HandKernel& k) {
    k.when(
        k.ir().CreateICmpULT(k.thread(), k.i32(30)),
        [&] {
          k.op(MachineOp::shuffle_xor, {k.thread(), k.i32(1)});
        },
        [&] { k.op(MachineOp::ballot, {k.i32(1)}); });
  });
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::divergent);
  CHECK(found[0].detail ==
        "it waits for threads that will not come: threads 0-29 wait in shuffle_xor; threads 30-31 wait in ballot");
}

TEST_CASE("emulator: a named barrier whose callers disagree about its size is divergent") {
  HandEmulator e;
  auto found = e.run(96, {}, [](HandKernel& k) {
    k.when(
        k.ir().CreateICmpULT(k.thread(), k.i32(32)),
        [&] {
          k.op(MachineOp::barrier_group, {k.i32(3), k.i32(96)});
        },
        [&] {
          k.op(MachineOp::barrier_group, {k.i32(3), k.i32(64)});
        });
  });
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].kind == Kind::divergent);
  CHECK(found[0].thread == 32);
  CHECK(found[0].detail == "it comes to barrier 3 for 64 threads, and others wait there for 96");
}

TEST_CASE(
    "emulator: a barrier of 64 threads that four half warps come to is divergent: the machine counts whole warps") {
  HandEmulator e;
  auto found = e.run(128, {}, [](HandKernel& k) {
    llvm::Value* low = k.ir().CreateICmpULT(k.ir().CreateAnd(k.thread(), 31), k.i32(16));
    k.when(low, [&] { k.op(MachineOp::barrier_group, {k.i32(1), k.i32(64)}); });
  });
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::divergent);
  CHECK(found[0].detail == "barrier 1 was reached by a part of a warp; the machine counts whole warps");
}

TEST_CASE("emulator: a loop without end ends in a finding") {
  HandEmulator e({.throw_on_finding = false, .max_steps = 100000});
  auto found = e.run(64, {},
                     [](HandKernel& k) {
                       auto& ir = k.ir();
                       auto* function = ir.GetInsertBlock()->getParent();
                       auto* turn = llvm::BasicBlock::Create(ir.getContext(), "turn", function);
                       auto* after = llvm::BasicBlock::Create(ir.getContext(), "after", function);
                       ir.CreateBr(turn);
                       ir.SetInsertPoint(turn);
                       k.barrier();
                       ir.CreateCondBr(ir.CreateICmpSGE(k.thread(), k.i32(0)), turn, after);
                       ir.SetInsertPoint(after);
                     },
                     {4, 1, 1});
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == Kind::endless);
  CHECK(e.run(64, {}, [](HandKernel& k) { k.barrier(); }).empty());
}

TEST_CASE("emulator: a block that writes what an earlier block has read races with it") {
  for (int readers : {1, 2}) {  // block 0 alone, or blocks 0 and 1
    HandEmulator e;
    void* data = e.buffer("data", std::vector<int>{5});
    auto found = e.run(32, {data, data, 0},
                       [&](HandKernel& k) {
                         int from = k.in(Elem::i32), to = k.out(Elem::i32);
                         llvm::Value *block = k.op(MachineOp::program_id_x),
                                     *first = k.ir().CreateICmpEQ(k.thread(), k.i32(0));
                         llvm::Value* reads = k.ir().CreateAnd(first, k.ir().CreateICmpULT(block, k.i32(readers)));
                         llvm::Value* writes = k.ir().CreateAnd(first, k.ir().CreateICmpEQ(block, k.i32(1)));
                         k.load(from, k.i32(0), k.ir().getInt32Ty(), 1, reads);
                         k.store(to, k.i32(0), block, writes);
                       },
                       {2, 1, 1});
    REQUIRE(found.size() == 1);
    CHECK(found[0].block == Block{1, 0, 0});
    CHECK(found[0].other_block == Block{0, 0, 0});
    CHECK(found[0].write);
  }
}

TEST_CASE("emulator: threads may leave early where no barrier follows") {
  HandEmulator e;
  void* out = e.room("output", 512 * 4);
  auto found =
      e.run(512, {nullptr, out, 0},
            [](HandKernel& k) {
              int to = k.out(Elem::i32);
              k.when(k.ir().CreateICmpULT(k.thread(), k.i32(100)), [&] { k.store(to, k.thread(), k.thread()); });
            },
            {1, 1, 1});
  CHECK(found.empty());
  CHECK(e.contents<int>(out, 100)[99] == 99);
}
