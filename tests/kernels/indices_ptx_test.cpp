// What the assembler and the reader of the PTX see of the index kernels: all of them, on every target.
#include <doctest/doctest.h>

#include "compiler/target.h"
#include "kernels/registry.h"
#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"

namespace pagejit::test {
namespace {

std::string ptx_of(const std::string& line, std::string_view target_name = "sm_90a") {
  return ptx_of_line(line, target_name);
}

std::vector<std::string> all_lines() {
  return family_of("indices").specs_for_model(ModelShape{});
}

}  // namespace

TEST_CASE("indices: nothing spills, on any target, and a block of 1024 threads finds its registers") {
  for (const Target& t : targets()) {
    if (t.is_emulator()) continue;
    for (const std::string& line : all_lines()) {
      CAPTURE(t.name);
      CAPTURE(line);
      auto a = assemble(ptx_of(line, t.name), t.name);
      if (!a) continue;
      CHECK_MESSAGE(a->accepted, a->log);
      CHECK(a->spill_stores + a->spill_loads + a->stack == 0);
      CHECK(a->registers <= 64);
    }
  }
}

TEST_CASE("indices: the PTX of a Spec is the same, byte for byte, however often it is made") {
  for (const std::string& line : all_lines()) CHECK(ptx_of(line) == ptx_of(line));
}

TEST_CASE("indices: every kernel waits before it reads, and lets the next one start after that") {
  for (const std::string& line : all_lines())
    check_ptx(ptx_of(line), R"(
      CHECK-LABEL: .entry indices
      CHECK-NOT: ld.global
      CHECK: griddepcontrol.wait
      CHECK-NOT: ld.global
      CHECK: griddepcontrol.launch_dependents
      CHECK: ld.global
    )");
}

TEST_CASE("indices: running sums meet once a turn, and 32-bit ones take one shuffle a step") {
  std::string narrow = ptx_of("indices what=starts to=i32"), wide = ptx_of("indices what=starts to=i64");
  CHECK(count(narrow, "bar.sync") == 1);
  CHECK(count(wide, "bar.sync") == 1);
  CHECK(count(wide, "shfl.sync") == 2 * count(narrow, "shfl.sync"));
}

}  // namespace pagejit::test
