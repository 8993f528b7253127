// rope over a sampled grid of Specs, strides and lists, on the emulator with its sanitizer on.
#include "tests/kernels/rope_grid.h"

#include <doctest/doctest.h>

#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("rope: a sample of all Specs, strides and lists is right to the bit, and reads nothing it may not") {
  RopeGrid grid;
  grid.cases = 150;
  grid.seed = test_seed();
  CAPTURE(grid.seed);
  for (const std::string& problem : run_rope_grid(emulated().context(), grid, emulated().poison())) FAIL_CHECK(problem);
}

TEST_CASE("rope: both styles and every scale meet every output type") {
  auto random = random_for("rope types");
  for (Elem in : {Elem::f16, Elem::bf16})
    for (Elem out : {Elem::e4m3, Elem::e5m2, in})
      for (auto style : {rope::Style::neox, rope::Style::interleaved})
        for (float scale : {1.f, 0.37f, 13.f}) {
          RopeCase c;
          c.in = in, c.q = c.kv = out, c.style = style, c.seed = random();
          if (out != in) c.scale_q = scale, c.scale_kv = 13.5f - scale;
          CHECK(run_rope(emulated().context(), c, emulated().poison()) == "");
        }
}

}  // namespace pagejit::tests
