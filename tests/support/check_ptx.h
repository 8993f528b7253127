// FileCheck inside a test case, and the assembler's opinion where there is one.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace pagejit::test {

/// Each line of `checks` is CHECK: (found after the one before), CHECK-LABEL: (the same) or CHECK-NOT:
/// (not found between its neighbours). Reports through doctest; runs of blanks match any blanks.
void check_ptx(std::string_view text, std::string_view checks);

/// How often `what` stands in `text`.
int count(std::string_view text, std::string_view what);

struct Assembled {
  bool accepted = false;
  std::string log;
  int registers = 0, spill_stores = 0, spill_loads = 0, stack = 0;  // bytes but for registers
};

/// What ptxas ($PAGEJIT_PTXAS, else on PATH) makes of `ptx` for `target`. Nothing where there is no ptxas.
std::optional<Assembled> assemble(std::string_view ptx, std::string_view target);

}  // namespace pagejit::test
