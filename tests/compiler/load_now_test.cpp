// Loads of what another kernel may still write.
#include <numeric>

#include "tests/compiler/tile_program.h"

namespace pagejit::test {
namespace {

/// out = in, of n elements.
void copy_now(Kernel& k, const Kernel::Parameters<Params>& p) {
  Pointer in = p.tensor(&Params::in, Elem::i32, 16), out = p.tensor(&Params::out, Elem::i32, 16);
  Tile e = k.arange(Layout::linear(128, 4, k.warps()));
  Tile got = k.load_now(in + e, e < 100, "got");
  k.store(out + e, got);
}

}  // namespace

TEST_CASE("load_now: it goes past L1, as wide as any load, on every target") {
  for (const Target& t : targets()) {
    if (t.is_emulator()) continue;
    std::string ptx = ptx_of(t.name, 32, copy_now);
    CHECK(count(ptx, "ld.relaxed.gpu.global.v4.b32") == 1);
    CHECK(count(ptx, "ld.global") == 0);
    must_assemble(ptx, t.name);
  }
}

TEST_CASE("load_now: it is not merged with a load before it, nor a later load with it") {
  std::string ptx = ptx_of("sm_90a", 32, [](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, Elem::i32), out = p.tensor(&Params::out, Elem::i32);
    Tile mask = k.thread() < p(&Params::n);
    Tile first = k.load_now(in + k.thread(), mask, "first");
    k.dependency_wait();
    Tile second = k.load_now(in + k.thread(), mask, "second");
    Tile third = k.load(in + k.thread(), mask, "third");
    k.store(out + k.thread(), first + second + third);
  });
  check_ptx(ptx, R"(
    CHECK: ld.relaxed.gpu.global.b32
    CHECK: griddepcontrol.wait
    CHECK: ld.relaxed.gpu.global.b32
    CHECK: ld.global.b32
  )");
}

TEST_CASE("load_now: on the emulator it is a load, and reads nothing where its mask is false") {
  std::vector<std::int32_t> in(100), expected(128);
  std::iota(in.begin(), in.end(), 1);
  std::copy(in.begin(), in.end(), expected.begin());
  CHECK(run_block<std::int32_t>(32, in, 128, copy_now) == expected);
}

}  // namespace pagejit::test
