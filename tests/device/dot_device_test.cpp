// The product of tests/compiler/dot_kernel.h on a GPU, the same code as on the emulator, at larger sizes.
#include <doctest/doctest.h>

#include "compiler/nvptx/compiler.h"
#include "runtime/base/error.h"
#include "runtime/cuda/cuda_backend.h"
#include "tests/compiler/dot_kernel.h"
#include "tests/support/skip.h"

namespace pagejit {
namespace {

using namespace test;

/// A GPU whose compiler knows this one kernel, its cache in memory only; null, and a note, without a GPU.
std::unique_ptr<CudaBackend> gpu_with(const DotSpec& spec) {
  auto compiler = make_nvptx_compiler([spec](const Request&, Lowering& lowering) { return emit_dot(lowering, spec); });
  try {
    return std::make_unique<CudaBackend>(std::make_shared<Engine>(compiler, EngineOptions{}));
  } catch (const Error& e) {
    if (e.code() != Code::absent) throw;
    skip_test("no GPU here");
    return nullptr;
  }
}

void check_kernel(const DotSpec& spec, std::initializer_list<std::array<int, 3>> sizes) {
  auto gpu = gpu_with(spec);
  if (!gpu) return;
  for (auto [m, n, k] : sizes)
    for (int spare : {0, 8}) CHECK(run_dot(*gpu, {spec, m, n, k, spare}, {}) == "");
}

}  // namespace

TEST_CASE("dot on a GPU: 16-byte asynchronous copies, any m, n and k that fills its pieces") {
  for (Elem elem : {Elem::bf16, Elem::f16})
    check_kernel({.elem = elem}, {{64, 64, 64}, {1, 1, 8}, {100, 70, 40}, {513, 300, 1000}, {17, 5, 0}});
}

TEST_CASE("dot on a GPU: rows aligned to 4 and to 2 bytes") {
  check_kernel({.elem = Elem::f16, .aligned = 4}, {{64, 64, 64}, {70, 3, 34}, {200, 300, 514}});
  check_kernel({.elem = Elem::bf16, .aligned = 2}, {{64, 64, 64}, {5, 66, 77}, {1, 1, 1}, {200, 300, 511}});
}

TEST_CASE("dot on a GPU: blocks of other shapes and grids of warps") {
  check_kernel({.m = 16, .n = 32, .k = 64, .warps = {1, 4}}, {{40, 50, 136}, {300, 500, 712}});
  check_kernel({.m = 128, .n = 128, .k = 32, .warps = {2, 4}}, {{150, 20, 48}, {1000, 700, 264}});
  check_kernel({.elem = Elem::f16, .m = 32, .n = 8, .k = 16, .warps = {1, 1}}, {{33, 9, 24}});
}

}  // namespace pagejit
