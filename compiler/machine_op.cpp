#include "compiler/machine_op.h"

namespace pagejit {
namespace {
constexpr MachineOpRow rows[] = {
#define PJ_MACHINE_OP(name, signature, effect, sm, isa, nvptx, text) \
  {MachineOp::name, #name, signature, Effect::effect, sm, isa, nvptx, text},
#include "compiler/machine_ops.def"
#undef PJ_MACHINE_OP
};
}  // namespace

std::span<const MachineOpRow> machine_ops() {
  return rows;
}
const MachineOpRow& row(MachineOp op) {
  return rows[static_cast<int>(op)];
}

}  // namespace pagejit
