// One block of a small kernel on the emulator, every access checked: what tests of tile operations are made of.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "compiler/across.h"
#include "compiler/emulator/backend.h"
#include "tests/compiler/emit.h"

namespace pagejit::test {

/// Every register of every thread as a place of its own: [thread][register].
inline Layout every_slot(const Layout& l) {
  int registers = l.registers();
  auto steps = [](int from, std::size_t count) {
    std::vector<Coords> bases;
    for (std::size_t i = 0; i < count; ++i) bases.push_back({from << i});
    return bases;
  };
  return Layout::of({registers * 32 * l.warps()}, steps(1, l.reg_bases().size()), steps(registers, 5),
                    steps(32 * registers, l.warp_bases().size()));
}

/// Writes the tile so that the host sees what each register of each thread holds.
inline void store_every_slot(Kernel& k, const Pointer& out, const Tile& t) {
  auto slots = std::make_shared<const Layout>(every_slot(*t.layout()));
  k.store(out + k.arange(*slots), relabelled(t, slots));
}

/// A tile of `layout` from a row-major array.
inline Tile load_matrix(Kernel& k, const Pointer& in, const Layout& layout) {
  Layout::Dims shape(layout.shape().begin(), layout.shape().end());
  return k.load(in + offsets(k, layout, Placement::row_major(shape)), "in");
}

/// Runs `body` over tensors in and out; a finding fails the test. Out's elements start as zeros of all bits.
template <class Out, class In>
std::vector<Out> run_block(int threads, const std::vector<In>& in, std::size_t out, const Body& body) {
  EmulatorBackend emulator([&](const Request&, Lowering& lowering) { return emit(lowering, threads, body); });
  std::size_t in_bytes = in.size() * sizeof(In), out_bytes = out * sizeof(Out);
  void *from = emulator.allocate(in_bytes, "in"), *to = emulator.allocate(out_bytes, "out");
  emulator.copy_in(from, in.data(), in_bytes, nullptr);
  Params params{from, to, 0, 0, 0};
  emulator.launch(emulator.load(make_request("test", "emulator", "", "")), {}, &params, nullptr);
  std::vector<Out> result(out);
  emulator.copy_out(result.data(), to, out_bytes, nullptr);
  return result;
}

}  // namespace pagejit::test
