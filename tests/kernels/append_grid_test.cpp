// The writers over a sampled grid of Specs, strides and batches, on the emulator with its sanitizer on.
#include "tests/kernels/append_grid.h"

#include <doctest/doctest.h>

#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("append: a sample of all Specs, strides and batches is right to the bit, and touches nothing it may not") {
  AppendGrid grid;
  grid.cases = 250;
  grid.seed = test_seed();
  grid.elements = 30'000;
  for (const std::string& problem : run_append_grid(emulated().context(), grid, emulated().poison()))
    FAIL_CHECK(problem);
}

}  // namespace pagejit::tests
