// What the assembler and the reader of the PTX see of merge.
#include <doctest/doctest.h>

#include "kernels/registry.h"
#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"

namespace pagejit::test {
namespace {

std::string ptx_of(const std::string& line) {
  return ptx_of_line(line, "sm_90a");
}

}  // namespace

TEST_CASE("merge: nothing spills, on any target") {
  std::vector<std::string> lines;
  for (const char* types : {"in=bf16 to=bf16", "in=f16 to=e4m3", "in=f32 to=f32", "in=f32 to=e5m2"})
    for (const char* shape : {"dim=128", "dim=96 align=8", "dim=5 align=elem", "dim=4096 align=4"})
      lines.push_back(std::string("merge ") + types + " " + shape);
  check_no_spills(lines, "merge", 6);
}

TEST_CASE("merge: the PTX of a Spec is the same, byte for byte, however often it is made") {
  CHECK(ptx_of("merge dim=96") == ptx_of("merge dim=96"));
}

TEST_CASE("merge: it waits before it reads, and lets the next one start after that, in every thread") {
  check_ptx(ptx_of("merge"), R"(
    CHECK-LABEL: .entry merge
    CHECK-NOT: ld.global
    CHECK: griddepcontrol.wait
    CHECK-NOT: bra
    CHECK: griddepcontrol.launch_dependents
    CHECK: ld.global
  )");
}

TEST_CASE("merge: a thread moves 16 bytes an access, and all loads come before the first store") {
  std::string ptx = ptx_of("merge");
  CHECK(count(ptx, "ld.global.v4.b32") + count(ptx, "ld.global.nc.v4.b32") + count(ptx, "ld.global.v2.b64") == 8);
  check_ptx(ptx, R"(
    CHECK: st.global
    CHECK-NOT: ld.global
  )");
}

}  // namespace pagejit::test
