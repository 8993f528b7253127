// Products on the tensor cores: the fragments' way through shared memory, and a whole kernel on the emulator.
#include "compiler/dot.h"

#include <doctest/doctest.h>

#include "compiler/emulator/backend.h"
#include "compiler/emulator/half.h"
#include "compiler/shared_tile.h"
#include "runtime/base/error.h"
#include "tests/compiler/dot_kernel.h"
#include "tests/compiler/tile_program.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;

std::size_t size(int n) {
  return static_cast<std::size_t>(n);
}

void check_kernel(const DotSpec& spec, std::initializer_list<std::array<int, 3>> sizes) {
  EmulatorBackend emulator([&](const Request&, Lowering& lowering) { return emit_dot(lowering, spec); });
  auto poison = [&](void* at, std::size_t bytes) { emulator.poison(at, bytes); };
  for (auto [m, n, k] : sizes)
    for (int spare : {0, 8}) CHECK(run_dot(emulator, {spec, m, n, k, spare}, poison) == "");
}

TEST_CASE("dot: a kernel with 16-byte asynchronous copies is right at any m, n and k that fills its pieces") {
  for (Elem elem : {Elem::bf16, Elem::f16})
    check_kernel({.elem = elem}, {{64, 64, 64}, {1, 1, 8}, {100, 70, 40}, {33, 129, 200}, {17, 5, 0}});
}

TEST_CASE("dot: rows aligned to 4 bytes are copied in pieces of 4, and odd ones through registers") {
  check_kernel({.elem = Elem::f16, .aligned = 4}, {{64, 64, 64}, {70, 3, 34}});
  check_kernel({.elem = Elem::bf16, .aligned = 2}, {{64, 64, 64}, {5, 66, 77}, {1, 1, 1}});
}

TEST_CASE("dot: blocks of other shapes and grids of warps") {
  check_kernel({.m = 16, .n = 32, .k = 64, .warps = {1, 4}}, {{40, 50, 136}});
  check_kernel({.m = 128, .n = 16, .k = 16, .warps = {8, 1}}, {{150, 20, 48}});
  check_kernel({.elem = Elem::f16, .m = 32, .n = 8, .k = 16, .warps = {1, 1}}, {{33, 9, 24}});
}

TEST_CASE("dot: the kernel compiles for every target, and nothing spills") {
  for (const Target& t : targets()) {
    if (t.is_emulator()) continue;
    for (Elem elem : {Elem::bf16, Elem::f16})
      for (auto [aligned, deep] : {std::pair{16, 32}, {4, 16}, {2, 32}}) {
        auto lowering = make_nvptx_lowering(t);
        Emitted kernel = emit_dot(*lowering, {.elem = elem, .k = deep, .aligned = aligned});
        std::string ptx = nvptx::generate(kernel, t, false).ptx;
        // A warp has 32 × 32 of c. For each 16 along k: 2 × 4 products, 2 loads of a's matrices, 4 / 2 of b's.
        CHECK(count(ptx, "mma.sync.aligned.m16n8k16") == deep / 16 * 8);
        CHECK(count(ptx, "ldmatrix.sync.aligned.m8n8.x4") == deep / 16 * 4);
        CHECK((count(ptx, "cp.async.cg.shared.global") > 0) == (aligned == 16));
        CAPTURE(t.name);
        CAPTURE(aligned);
        if (auto a = assemble(ptx, t.name)) {
          CHECK_MESSAGE(a->accepted, a->log);
          CHECK(a->spill_stores + a->spill_loads == 0);
        }
      }
  }
}

TEST_CASE("dot: operands in other layouts come into their fragments first") {
  Layout rows = Layout::blocked({32, 32}, {1, 8}, {8, 4}, {4, 1}, {1, 0}),
         columns = Layout::blocked({32, 32}, {8, 1}, {4, 8}, {1, 4}, {0, 1});
  Layout sums = dot_layouts(32, 32, 32, {2, 2}).c;
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, Elem::bf16);
    Tile a = load_matrix(k, in, rows);
    Tile b = load_matrix(k, in, columns);
    Tile zero = k.full(sums, Value(cast(k.constant(Type::i32, 0), Type::f32)));
    store_every_slot(k, p.tensor(&Params::out, Elem::f32), dot(k, a, b, zero));
  };
  auto random = random_for("dot operands");
  std::vector<std::uint16_t> in;
  for (int i = 0; i < 1024; ++i) in.push_back(f32_to_bf16(static_cast<float>(random() % 17) - 8));
  auto out = run_block<float>(128, in, 1024, body);
  for (int i = 0; i < 1024; ++i) {
    Coords at = sums.apply(i % sums.registers(), i / sums.registers() % 32, i / sums.registers() / 32);
    float wanted = 0;  // small integers: exact
    for (int z = 0; z < 32; ++z)
      wanted += bf16_to_f32(in[size(32 * at[0] + z)]) * bf16_to_f32(in[size(32 * z + at[1])]);
    if (out[size(i)] != wanted) FAIL_CHECK(at[0], ", ", at[1], ": ", out[size(i)], " for ", wanted);
  }
}

TEST_CASE("dot: sums become the second operand of a product over their rows, in each warp by itself") {
  for (auto [m, n, warps] : {std::array{16, 8, 1}, {32, 8, 1}, {32, 32, 2}}) {
    Layout from = Layout::mma_c(m, n, {1, warps}), to = Layout::mma_b(m, n, {1, warps});
    auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
      Tile sums = load_matrix(k, p.tensor(&Params::in, Elem::f16), from);
      store_every_slot(k, p.tensor(&Params::out, Elem::f16), as_second_operand(k, sums));
    };
    std::vector<std::uint16_t> in;
    for (int i = 0; i < m * n; ++i) in.push_back(static_cast<std::uint16_t>(i));
    int slots = to.registers() * 32 * warps, wrong = 0;
    auto out = run_block<std::uint16_t>(32 * warps, in, size(slots), body);
    for (int i = 0; i < slots; ++i) {
      Coords at = to.apply(i % to.registers(), i / to.registers() % 32, i / to.registers() / 32);
      wrong += out[size(i)] != in[size(n * at[0] + at[1])];
    }
    CHECK(wrong == 0);
  }
}

/// out = in by way of shared memory: stored as rows, loaded as `layout`.
void check_shared(Elem elem, int rows, int columns, const Layout& layout, bool transposed) {
  CAPTURE(layout.text());
  Layout writer = Layout::blocked({rows, columns}, {1, 4}, {4, 8}, {layout.warps(), 1}, {1, 0});
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    SharedTile tile(k, "tile", elem, rows, columns, 2);
    Value stage = k.constant(Type::i32, 1);
    Tile data = load_matrix(k, p.tensor(&Params::in, elem), writer);
    tile.store(data, stage);
    k.barrier();
    store_every_slot(k, p.tensor(&Params::out, elem),
                     transposed ? tile.load_transposed(layout, stage) : tile.load(layout, stage));
  };
  int slots = layout.registers() * 32 * layout.warps(), wrong = 0;
  std::vector<std::uint16_t> in;
  for (int i = 0; i < rows * columns; ++i) in.push_back(static_cast<std::uint16_t>(i));
  auto out = run_block<std::uint16_t>(32 * layout.warps(), in, size(slots), body);
  for (int i = 0; i < slots; ++i) {
    Coords at = layout.apply(i % layout.registers(), i / layout.registers() % 32, i / layout.registers() / 32);
    if (transposed) std::swap(at[0], at[1]);
    wrong += out[size(i)] != in[size(columns * at[0] + at[1])];
  }
  CHECK(wrong == 0);
}

TEST_CASE("shared tile: fragments come out as they were stored, by ldmatrix or by plain loads") {
  for (int columns : {16, 32, 64, 128}) {
    check_shared(Elem::bf16, 64, columns, Layout::mma_a(64, columns, {2, 2}), false);
    check_shared(Elem::bf16, 64, columns, Layout::mma_a(columns, 64, {1, 4}), true);
    check_shared(Elem::f16, 64, columns, Layout::mma_b(columns, 64, {1, 4}), true);
    check_shared(Elem::f16, 64, columns, Layout::mma_b(64, columns, {2, 2}), false);
    check_shared(Elem::bf16, 64, columns, Layout::blocked({64, columns}, {1, 8}, {8, 4}, {2, 2}, {1, 0}), false);
  }
  check_shared(Elem::f16, 8, 16, Layout::mma_b(16, 8, {1, 1}), true);  // too small for four matrices
}

TEST_CASE("shared tile: both operands of a product come by ldmatrix, whichever way they lie in memory") {
  auto loads = [](int rows, int columns, const Layout& layout, bool transposed) {
    std::string ptx = ptx_of("sm_80", 128, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
      SharedTile tile(k, "tile", Elem::f16, rows, columns);
      Value stage = k.constant(Type::i32, 0);
      Tile got = transposed ? tile.load_transposed(layout, stage) : tile.load(layout, stage);
      store_every_slot(k, p.tensor(&Params::out, Elem::f16), got);
    });
    must_assemble(ptx, "sm_80");
    CHECK(count(ptx, "ld.shared") == 0);
    return std::pair{count(ptx, "m8n8.x4.shared"), count(ptx, "m8n8.x4.trans")};
  };
  using Loads = std::pair<int, int>;
  CHECK(loads(64, 32, Layout::mma_a(64, 32, {4, 1}), false) == Loads{2, 0});
  CHECK(loads(32, 64, Layout::mma_a(64, 32, {4, 1}), true) == Loads{0, 2});
  CHECK(loads(64, 32, Layout::mma_b(32, 64, {1, 4}), true) == Loads{2, 0});
  CHECK(loads(32, 64, Layout::mma_b(32, 64, {1, 4}), false) == Loads{0, 2});
}

TEST_CASE("dot: operands that do not fit are refused, in words") {
  Layout c = dot_layouts(32, 32, 16, {2, 2}).c;
  auto product = [&](Type a, const Layout& left, const Layout& sums) {
    return [=](Kernel& k, const Kernel::Parameters<Params>&) {
      Tile x = k.full(left, Value(cast(k.constant(Type::i32, 1), a))), y = x;
      dot(k, x, y, k.full(sums, Value(cast(k.constant(Type::i32, 0), Type::f32))));
    };
  };
  Layout square = Layout::blocked({32, 32}, {1, 8}, {8, 4}, {4, 1}, {1, 0}),
         flat = Layout::blocked({32, 16}, {1, 8}, {8, 4}, {4, 1}, {1, 0});
  CHECK_THROWS_WITH_AS(ptx_of("sm_80", 128, product(Type::f32, square, c)),
                       doctest::Contains("cast its operands first"), Error);
  CHECK_THROWS_WITH_AS(ptx_of("sm_80", 128, product(Type::f16, square, square)),
                       doctest::Contains("not in a fragment's layout"), Error);
  CHECK_THROWS_WITH_AS(ptx_of("sm_80", 128, product(Type::f16, flat, c)),
                       doctest::Contains("a product [32, 16] · [32, 16] + [32, 32]"), Error);
}

}  // namespace
}  // namespace pagejit
