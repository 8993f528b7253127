// One test for every row of machine_ops.def: a new row is covered unasked.
#include "compiler/machine_op.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "runtime/base/error.h"
#include "tests/compiler/emit.h"

namespace pagejit::test {
namespace {

std::string with_op(const MachineOpRow& r, std::string_view target_name) {
  return ptx_of(target_name, 128, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer window = k.shared("window", Elem::i32, 1024), out = p.tensor(&Params::out, Elem::i32, 16);
    Value n = p(&Params::n), real(bitcast(n, Type::f32)), far = p(&Params::stride);
    std::vector<Value> operands;
    for (char kind : r.operands()) {
      if (kind == 'n')
        operands.push_back(k.constant(Type::i32, operands.empty() ? 1 : 64));
      else if (kind == 's')
        operands.push_back(Value(window.address()));
      else if (kind == 'f')
        operands.push_back(real);
      else if (kind == 'p' || kind == 'l')
        operands.push_back(far);
      else
        operands.push_back(n);
    }
    int at = 0;
    for (const Value& v : k.machine(r.op, operands))
      k.store(out + k.constant(Type::i32, at++), v.type() == Type::f32 ? Value(bitcast(v, Type::i32)) : v);
  });
}

/// The targets that have the operation, oldest first.
std::vector<const Target*> targets_with(const MachineOpRow& r) {
  std::vector<const Target*> found;
  for (const Target& t : targets())
    if (!t.is_emulator() && t.sm >= r.sm) found.push_back(&t);
  return found;
}

}  // namespace

TEST_CASE("machine operations: each is in the PTX of the oldest target that has it, and the assembler takes it") {
  for (const MachineOpRow& r : machine_ops()) {
    CAPTURE(r.name);
    const Target& oldest = *targets_with(r).front();
    std::string ptx = with_op(r, oldest.name);
    CHECK_MESSAGE(ptx.find(r.text) != std::string::npos, ptx);
    must_assemble(ptx, oldest.name);
  }
}

TEST_CASE("machine operations: a target that lacks one refuses it by name, before LLVM sees it") {
  int refused = 0;
  for (const MachineOpRow& r : machine_ops())
    for (const Target& t : targets()) {
      if (t.is_emulator() || t.sm >= r.sm) continue;
      ++refused;
      try {
        with_op(r, t.name);
        FAIL("not refused: ", r.name, " on ", t.name);
      } catch (const Error& e) {
        CHECK(e.code() == Code::unsupported);
        CHECK(e.message() == fmt::format("{} needs sm_{} or newer, and the target is {}", r.name, r.sm, t.name));
      }
    }
  CHECK(refused > 0);
}

TEST_CASE("machine operations: the PTX asks for the lowest ISA that has what is used") {
  auto isa = [](std::string_view t, auto op) {
    std::string ptx = with_op(row(op), t);
    return ptx.substr(ptx.find(".version ") + 9, 3);
  };
  CHECK(isa("sm_80", MachineOp::barrier) == "7.0");
  CHECK(isa("sm_90", MachineOp::barrier) == "7.8");
  CHECK(isa("sm_90a", MachineOp::barrier) == "8.0");
}

}  // namespace pagejit::test
