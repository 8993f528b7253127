// What the assembler sees of attention's kernels, on every target.
#include <doctest/doctest.h>

#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"

namespace pagejit::test {

TEST_CASE("attention: nothing spills, on any target") {
  std::vector<std::string> lines{
      "attend",
      "attend dim_k=576 dim_v=512 joint=1 group=16 keys=32 across=4 stages=2 teams=1",
      "attend dim_k=256 dim_v=256 keys=16 stages=4 teams=1",
      "attend rows=64 down=4 group=16 teams=1",
      "attend quant=int8 k=u8 v=u8 stages=4 teams=2",
      "attend quant=int4 k=u8 v=u8 stages=4 teams=4",
      "attend quant=fp8 k=e4m3 v=e4m3 stages=4 teams=2",
      "attend rows=8 stages=3",
      "attend rows=8 keys=64 stages=2 teams=2 quant=int8 k=u8 v=u8",
      "attend rows=8 keys=64 stages=2 teams=2 quant=int4 k=u8 v=u8",
      "attend rows=8 keys=64 stages=2 teams=2 quant=int4 k=u8 v=u8 meta=bf16 softcap=1 alibi=1",
      "attend rows=8 keys=64 stages=2 teams=2 quant=fp8 k=e4m3 v=e4m3",
      "combine parts=4 rows=8 columns=128",
      "combine parts=16 rows=8 columns=16",
      "combine parts=64 rows=1 columns=32 along=4"};
  check_no_spills(lines, "attention", lines.size());
}

// For boxes the assembler sets up a frame of 8 bytes on sm_120; with fp8 it keeps to 128 registers there, and lacks
// one.
TEST_CASE("attention: where the copy engine brings rows no more than 16 bytes are in local memory, from sm_90 on") {
  std::vector<std::string> lines;
  for (const char* codes : {"", " quant=fp8 k=e4m3 v=e4m3", " quant=int8 k=u8 v=u8", " ragged=1 window=1 lengths=i64"})
    for (const char* rows : {" rows=8", " rows=16"})
      lines.push_back(std::string("attend bulk=1 keys=32 stages=3 teams=2") + rows + codes);
  check_no_spills(lines, "attention by boxes", lines.size(), 16, 90);
}

// 128 sums a thread leave no room for all that a loop does not change: a few words of that are read again each turn.
TEST_CASE("attention: of many wide rows no more than 160 bytes are in local memory, on any target") {
  check_no_spills(
      {"attend dim_k=576 dim_v=512 joint=1 group=128 rows=64 keys=64 stages=2 down=2 across=4 teams=1",
       "attend dim_k=576 dim_v=512 joint=1 group=128 quant=int8 k=u8 v=u8 rows=32 keys=32 stages=4 down=2 across=4 "
       "teams=1"},
      "wide rows", 2, 160);
}

// No older chip has as much shared memory.
TEST_CASE("attention: of warps that split dims no more than 80 bytes are in local memory, from sm_90 on") {
  std::string line = "attend dim_k=576 dim_v=512 joint=1 group=128 rows=64 keys=32 stages=4 down=2 across=4 teams=1";
  check_no_spills({line, line + " bulk=1"}, "split dims", 2, 80, 90);
}

TEST_CASE("attention: lists are read before the wait, and once more after it beside the first page ids") {
  check_ptx(ptx_of_line("attend rows=8 keys=32 stages=3 teams=2 bulk=1", "sm_90a"), R"(
    CHECK-LABEL: .entry attend
    CHECK: ld.relaxed.gpu.global.b32
    CHECK-NOT: cp.async
    CHECK: griddepcontrol.wait
    CHECK-NOT: ld.relaxed
    CHECK: ld.global.b32
    CHECK-NOT: bra
    CHECK: ld.relaxed.gpu.global.b32
    CHECK: vote.sync.ballot
    CHECK: cp.async.bulk
  )");
}

TEST_CASE("attention: it lets combine start after it has itself waited; combine lets the next one start at once") {
  check_ptx(ptx_of_line("attend", "sm_90a"), R"(
    CHECK-LABEL: .entry attend
    CHECK-NOT: griddepcontrol.launch_dependents
    CHECK: griddepcontrol.wait
    CHECK-NOT: bra
    CHECK: griddepcontrol.launch_dependents
    CHECK-NOT: griddepcontrol
  )");
  check_ptx(ptx_of_line("combine", "sm_90a"), R"(
    CHECK-LABEL: .entry combine
    CHECK-NOT: griddepcontrol.wait
    CHECK-NOT: bra
    CHECK: griddepcontrol.launch_dependents
    CHECK: griddepcontrol.wait
  )");
}

}  // namespace pagejit::test
