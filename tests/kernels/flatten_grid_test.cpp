// flatten over a sampled grid of Specs, strides and batches, on the emulator with its sanitizer on.
#include "tests/kernels/flatten_grid.h"

#include <doctest/doctest.h>

#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {

TEST_CASE("flatten: a sample of all Specs, strides and batches is right to the bit, and reads nothing it may not") {
  FlattenGrid grid;
  grid.cases = 250;
  grid.seed = test_seed();
  grid.elements = 60'000;
  for (const std::string& problem : run_flatten_grid(emulated().context(), grid, emulated().poison()))
    FAIL_CHECK(problem);
}

TEST_CASE("flatten: every head dim and page size meets every layout") {
  auto random = random_for("dims and pages");
  for (int dim : {1, 8, 32, 64, 80, 96, 128, 192, 256, 512, 576}) {
    FlattenCase c;
    int pages[] = {1, 8, 16, 61, 64, 128, 256};
    c.page = pages[random() % 7];
    c.dim_k = c.dim_v = dim;
    c.lengths = {c.page, 0, 3, 2 * c.page + 1};
    c.out_rows = c.total() + 20;
    for (int layouts = 0; layouts < 4; ++layouts) {
      c.layout = layouts & 1 ? FlattenArgs::Layout::hnd : FlattenArgs::Layout::nhd;
      c.out = layouts & 2 ? FlattenArgs::Out::hsd : FlattenArgs::Out::shd;
      c.seed = random();
      CHECK(emulate(c) == "");
    }
  }
}

}  // namespace pagejit::tests
