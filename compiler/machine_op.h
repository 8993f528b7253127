// The machine operations as an enumeration and a table, read from machine_ops.def.
#pragma once
#include <span>
#include <string_view>

namespace pagejit {

enum class MachineOp : int {
#define PJ_MACHINE_OP(name, signature, effect, sm, isa, nvptx, text) name,
#include "compiler/machine_ops.def"
#undef PJ_MACHINE_OP
};

enum class Effect { pure, read, sync };

struct MachineOpRow {
  MachineOp op;
  std::string_view name, signature;
  Effect effect;
  int sm, isa;  // the oldest that have it: 90 for sm_90, 78 for PTX 7.8
  std::string_view nvptx, text;

  std::string_view results() const { return signature.substr(0, signature.find(':')); }
  std::string_view operands() const { return signature.substr(signature.find(':') + 1); }
};

std::span<const MachineOpRow> machine_ops();
const MachineOpRow& row(MachineOp op);

}  // namespace pagejit
