// Where threads meet: barriers, and the operations of a warp.
#include <fmt/format.h>

#include "compiler/emulator/machine.h"

namespace pagejit::emulator {

/// The barrier, if the thread may come to it.
Barrier* Block::joined(Thread& t, int id, int expected) {
  bool sound = id >= 0 && id < 16 && expected > 0 && expected % 32 == 0 && expected <= launch_->facts->block;
  Barrier* b = sound ? &barriers_[static_cast<std::size_t>(id)] : nullptr;
  if (!sound || (b->arrived > 0 && b->expected != expected)) {
    Finding f = finding(t, Finding::Kind::divergent);
    f.detail =
        !sound ? fmt::format("barrier {} for {} threads: expected 0 to 15, and whole warps of the block's {} threads",
                             id, expected, launch_->facts->block)
               : fmt::format("it comes to barrier {} for {} threads, and others wait there for {}", id, expected,
                             b->expected);
    report(&t, std::move(f));
    return nullptr;
  }
  b->expected = expected;
  return b;
}

void Block::barrier(Thread& t, int id, int expected) {
  step(t);
  Barrier* b = joined(t, id, expected);
  if (!b) return;
  b->lanes[static_cast<std::size_t>(t.warp)] |= t.bit();
  t.barrier = id;
  if (++b->arrived == expected)
    complete(*b, id, t);
  else
    wait(t, Waiting::at_barrier);
}

void Block::arrive(Thread& t, int id, int expected) {
  const Warp& w = warps_[static_cast<std::size_t>(t.warp)];
  bool last = (w.arrived | t.bit()) == ~0u && !w.mixed;
  Barrier* b = last ? joined(t, id, expected) : nullptr;
  if (b) {
    clocks_.bring(t.warp, b->brought);
    b->arrived += 32;
    if (b->arrived == expected) complete(*b, id, t);
  }
  collective(t, MachineOp::barrier_arrive, {}, nullptr);
}

void Block::complete(Barrier& b, int id, Thread& last) {
  std::uint32_t met = 0;
  bool parts = false;
  for (std::size_t w = 0; w < warps_.size(); ++w) {
    if (!b.lanes[w]) continue;
    met |= 1u << w;
    parts |= b.lanes[w] != ~0u;
    release(static_cast<int>(w), b.lanes[w]);
  }
  clocks_.join(met, b.brought);
  b = {};
  if (!parts) return;
  Finding f = finding(last, Finding::Kind::divergent);
  f.detail = fmt::format("barrier {} was reached by a part of a warp; the machine counts whole warps", id);
  report(&last, std::move(f));
}

const LaneWords& Block::collective(Thread& t, MachineOp op, const LaneWords& words, Work work) {
  step(t);
  Warp& w = warps_[static_cast<std::size_t>(t.warp)];
  auto lane = static_cast<std::size_t>(t.lane);
  if (w.arrived == 0) w.op = op;
  w.mixed |= w.op != op;
  w.in[lane] = words;
  w.arrived |= t.bit();
  t.op = op;
  if (w.arrived != ~0u || w.mixed) {
    wait(t, Waiting::in_warp);
    return w.out[lane];
  }
  if (work) work(w);
  if (op == MachineOp::warp_sync) clocks_.join(1u << t.warp);
  w.arrived = 0;
  release(t.warp, ~0u);
  return w.out[lane];
}

}  // namespace pagejit::emulator
