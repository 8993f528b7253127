// What the assembler sees of attention's kernels, on every target.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/kernels/kernel_ptx.h"

namespace pagejit::test {

TEST_CASE("attention: nothing spills, on any target") {
  std::vector<std::string> lines{"attend",
                                 "attend dim_k=576 dim_v=512 joint=1 group=16 keys=32 across=4 stages=2 teams=1",
                                 "attend dim_k=256 dim_v=256",
                                 "attend rows=64 down=4 group=16",
                                 "combine",
                                 "combine parts=8 rows=1"};
  check_no_spills(lines, "attention", lines.size());
}

TEST_CASE("attention: the PTX of PJ_LINE" * doctest::skip(true)) {
  std::fputs(ptx_of_line(std::getenv("PJ_LINE"), "sm_90a").c_str(), stdout);
}

}  // namespace pagejit::test
