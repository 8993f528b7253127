// Theoretical occupancy against values worked out by CUDA's rules: 65,536 registers in four quarters, given to warps in
// units of 256; warps, blocks and shared memory as the programming guide lists them by compute capability.
#include "tools/cache/occupancy.h"

#include <doctest/doctest.h>

using namespace pagejit;
using namespace pagejit::cache_tool;

namespace {

struct Known {
  const char* target;
  int block, registers, shared;  // threads, a thread, bytes
  int blocks, percent;
  const char* limiter;
};

Occupancy of(const Known& k) {
  KernelFacts facts;
  facts.block = k.block;
  facts.registers = k.registers;
  facts.dynamic_shared = k.shared;
  std::optional<Occupancy> o = occupancy_of(facts, k.target);
  REQUIRE(o);
  return *o;
}

void check(const Known& k) {
  CAPTURE(k.target);
  CAPTURE(k.block);
  CAPTURE(k.registers);
  CAPTURE(k.shared);
  Occupancy o = of(k);
  CHECK(o.blocks == k.blocks);
  CHECK(o.percent == k.percent);
  CHECK(o.limiter == k.limiter);
}

}  // namespace

TEST_CASE("occupancy: warps and blocks a multiprocessor holds, by chip") {
  // 64 warps and 32 blocks: data centre chips.
  for (const char* target : {"sm_80", "sm_90", "sm_90a", "sm_100a", "sm_103a"}) {
    check({target, 256, 32, 0, 8, 100, "warps"});
    check({target, 32, 16, 0, 32, 50, "blocks"});
    check({target, 1024, 32, 0, 2, 100, "warps"});
    check({target, 768, 32, 0, 2, 75, "warps"});
  }
  check({"sm_86", 256, 32, 0, 6, 100, "warps"});
  check({"sm_86", 32, 16, 0, 16, 33, "blocks"});
  for (const char* target : {"sm_89", "sm_120a"}) {
    check({target, 256, 32, 0, 6, 100, "warps"});
    check({target, 32, 16, 0, 24, 50, "blocks"});
    check({target, 1024, 32, 0, 1, 66, "warps"});
  }
}

TEST_CASE("occupancy: registers are given to a warp in units of 256, out of one scheduler's 16,384") {
  check({"sm_90a", 256, 64, 0, 4, 50, "registers"});
  check({"sm_90a", 256, 65, 0, 3, 37, "registers"});   // 65 · 32 = 2080 → 2304: 7 warps a scheduler
  check({"sm_90a", 256, 40, 0, 6, 75, "registers"});   // 1280: 12 warps a scheduler
  check({"sm_90a", 128, 255, 0, 2, 12, "registers"});  // 8192: 2 warps a scheduler
  check({"sm_90a", 160, 80, 0, 4, 31, "registers"});   // 2560: 6 warps a scheduler, where 65,536 / 2560 would be 25
  check({"sm_86", 256, 48, 0, 5, 83, "registers"});    // 1536: 10 warps a scheduler of 12
  check({"sm_90a", 33, 32, 0, 32, 100, "warps"});      // 33 threads are two warps
}

TEST_CASE("occupancy: a block's shared memory counts in steps of 128 bytes, and 1 KiB more") {
  check({"sm_90a", 128, 32, 100 << 10, 2, 12, "shared memory"});  // 228 KiB: two of 101
  check({"sm_90a", 128, 32, 113 << 10, 2, 12, "shared memory"});  // two of 114
  check({"sm_90a", 128, 32, (113 << 10) + 1, 1, 6, "shared memory"});
  check({"sm_90a", 128, 32, 227 << 10, 1, 6, "shared memory"});
  check({"sm_80", 128, 32, 163 << 10, 1, 6, "shared memory"});
  check({"sm_89", 128, 32, 99 << 10, 1, 8, "shared memory"});
  check({"sm_120a", 128, 32, 49 << 10, 2, 16, "shared memory"});
  check({"sm_120a", 128, 32, 99 << 10, 1, 8, "shared memory"});
  check({"sm_90a", 128, 32, 228 << 10, 0, 0, "shared memory"});  // it cannot run at all
}

TEST_CASE("occupancy: nothing is said of an unknown chip, or before registers were counted") {
  KernelFacts facts;
  facts.block = 128;
  CHECK_FALSE(occupancy_of(facts, "sm_90a"));
  facts.registers = 32;
  CHECK(occupancy_of(facts, "sm_90a"));
  CHECK_FALSE(occupancy_of(facts, "sm_75"));
  CHECK_FALSE(occupancy_of(facts, "emulator"));
  facts.block = 0;
  CHECK_FALSE(occupancy_of(facts, "sm_90a"));
}
