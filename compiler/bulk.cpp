#include "compiler/bulk.h"

namespace pagejit {

StageBarriers::StageBarriers(Kernel& k, std::string_view name, int stages, int arrivals)
    : kernel_(k), barriers_(k.shared(name, Elem::i64, stages)) {
  k.when(k.thread() == 0, [&] {
    for (int i = 0; i < stages; ++i)
      k.machine(MachineOp::mbarrier_init, {at(k.constant(Type::i32, i)), k.constant(Type::i32, arrivals)});
    k.machine(MachineOp::mbarrier_init_fence, {});
  });
  k.barrier();
}

Value StageBarriers::at(const Value& stage) const {
  return Value((barriers_ + stage).address());
}

void StageBarriers::by_one(const std::function<void()>& body) const {
  auto elected = [&] { kernel_.when(kernel_.machine(MachineOp::elect, {})[0] != 0, body); };
  if (kernel_.warps() == 1) return elected();
  kernel_.when(kernel_.thread() < 32, elected);
}

void StageBarriers::expect(const Value& stage, const Value& bytes) const {
  kernel_.machine(MachineOp::mbarrier_expect, {at(stage), bytes});
}

void StageBarriers::copy_box(const Value& stage, const Value& to, const Value& map,
                             const std::array<Value, 5>& first) const {
  kernel_.machine(MachineOp::copy_box, {to, map, first[0], first[1], first[2], first[3], first[4], at(stage)});
}

void StageBarriers::arrive(const Value& stage) const {
  // The emulator's clocks are of warps, and the assembler makes next to nothing of it.
  kernel_.machine(MachineOp::warp_sync, {});
  kernel_.machine(MachineOp::mbarrier_arrive, {at(stage)});
}

void StageBarriers::wait(const Value& stage, const Value& parity) const {
  kernel_.machine(MachineOp::mbarrier_wait, {at(stage), parity});
}

}  // namespace pagejit
