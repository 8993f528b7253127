// A tile with one bit of a coordinate turned over.
#include <doctest/doctest.h>

#include "compiler/numbers.h"
#include "tests/compiler/tile_program.h"

namespace pagejit {
namespace {

using namespace test;

template <class T>
void check_flipped(Elem elem, const Layout& l, int dim, int bit) {
  CAPTURE(l.text());
  CAPTURE(dim);
  CAPTURE(bit);
  std::vector<T> in;
  for (int i = 0; i < l.elements(); ++i) in.push_back(static_cast<T>(i * 7 + 1));
  int slots = l.registers() * 32 * l.warps(), wrong = 0;
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = bitcast(load_matrix(k, p.tensor(&Params::in, elem), l), elem == Elem::bf16 ? Type::bf16 : type_of(elem));
    store_every_slot(k, p.tensor(&Params::out, elem), flipped(k, t, dim, bit));
  };
  auto out = run_block<T>(32 * l.warps(), in, static_cast<std::size_t>(slots), body);
  for (int i = 0; i < slots; ++i) {
    Coords at = l.apply(i % l.registers(), i / l.registers() % 32, i / l.registers() / 32);
    at[static_cast<std::size_t>(dim)] ^= 1 << bit;
    wrong += out[static_cast<std::size_t>(i)] != in[static_cast<std::size_t>(at[0] * l.shape()[1] + at[1])];
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("flipped: a tile is flipped along any bit: between registers, lanes or warps") {
  for (int warps : {1, 4})
    for (const Layout& l : {Layout::blocked({32, 64}, {1, 8}, {4, 8}, {warps, 1}, {1, 0}),
                            Layout::blocked({16, 128}, {1, 2}, {1, 32}, {1, warps}, {1, 0}),
                            Layout::blocked({2, 16}, {1, 1}, {2, 16}, {warps, 1}, {1, 0}),  // copies
                            Layout::blocked({128, 8}, {1, 8}, {32, 1}, {warps, 1}, {1, 0})})
      for (int dim : {0, 1})
        for (int bit = 0; 1 << bit < l.shape()[static_cast<std::size_t>(dim)]; ++bit) {
          check_flipped<float>(Elem::f32, l, dim, bit);
          check_flipped<std::int64_t>(Elem::i64, l, dim, bit);
          check_flipped<std::uint16_t>(Elem::bf16, l, dim, bit);
        }
}

TEST_CASE("flipped: a tile that has no such bit cannot be flipped along it") {
  Layout l = Layout::linear(256, 2, 4);
  CHECK_THROWS(ptx_of("sm_90", 128, [&](Kernel& k, const auto&) { flipped(k, k.arange(l), 0, 8); }));
  CHECK_THROWS(ptx_of("sm_90", 128, [&](Kernel& k, const auto&) { flipped(k, k.arange(l), 1, 0); }));
}

}  // namespace pagejit
