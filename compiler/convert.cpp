#include "compiler/convert.h"

#include "compiler/across.h"
#include "compiler/builder.h"
#include "compiler/conversion.h"

namespace pagejit {
namespace {

using Registers = std::vector<llvm::Value*>;

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

/// What holds of every element, wherever it goes.
Facts facts_of(const Tile& a) {
  if (!is_integer(a.type())) return {};
  Facts all = a.reg(0).all();
  for (const Reg& r : a.regs()) all = either(all, r.all());
  return all;
}

/// Whether an odd number of the thread's bits `mask` are set.
llvm::Value* odd(Kernel& k, int mask) {
  Kernel::Builder& b = k.builder();
  llvm::Value* bits = b.value(Tile(k.thread() & mask).reg(0), Type::i32);
  if ((mask & (mask - 1)) == 0) return b.ir.CreateICmpNE(bits, b.ir.getInt32(0));
  return b.ir.CreateTrunc(b.ir.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, bits), b.ir.getInt1Ty());
}

void swap_registers(Kernel& k, Registers& registers, const std::vector<RegisterSwap>& swaps) {
  Kernel::Builder& b = k.builder();
  for (const RegisterSwap& s : swaps) {
    llvm::Value* swapped = odd(k, s.lanes);
    Registers old = registers;
    for (std::size_t r = 0; r < old.size(); ++r)
      if (old[r]) registers[r] = b.ir.CreateSelect(swapped, old[r ^ at(s.registers)], old[r]);
  }
}

Tile by_shuffles(Kernel& k, const Tile& a, std::shared_ptr<const Layout> to, const ShufflePlan& plan) {
  Kernel::Builder& b = k.builder();
  Registers sent, received(plan.copy_of.size());
  for (int r = 0; r < a.layout()->registers(); ++r) sent.push_back(b.value(a.reg(r), a.type()));
  swap_registers(k, sent, plan.send);
  llvm::Value* from = nullptr;
  if (!plan.from_own_lane()) {
    std::vector<Coords> lanes;
    for (int lane : plan.from) lanes.push_back({lane});
    Layout source = Layout::of({32}, {}, lanes, std::vector<Coords>(to->warp_bases().size()));
    from = b.value(k.arange(source).reg(0), Type::i32);
  }
  for (const ShufflePlan::Round& round : plan.rounds) {
    llvm::Value *value = sent[at(round.sends)], *lane = b.ir.getInt32(static_cast<unsigned>(round.lane));
    if (from)
      value = shuffled(b, MachineOp::shuffle_index, value, round.lane ? b.ir.CreateXor(from, lane) : from);
    else if (round.lane != 0)
      value = shuffled(b, MachineOp::shuffle_xor, value, lane);
    received[at(round.receives)] = value;
  }
  swap_registers(k, received, plan.receive);
  Facts facts = facts_of(a);
  std::vector<Reg> regs;
  for (int copied : plan.copy_of) regs.push_back(plain(received[at(copied)], facts));
  return Tile(k, a.type(), std::move(to), std::move(regs));
}

Tile through_shared(Kernel& k, const Tile& a, std::shared_ptr<const Layout> to, const Exchange& x, bool ordered) {
  Pointer buffer = k.shared("conversion", stored_as(a.type()), x.placement.elements());
  Tile data = picked(to_stored(a), x.write_bits);
  Tile written = offsets(k, *data.layout(), x.placement);
  Layout reader = to->with_register_bits(x.read_bits);
  Tile read = offsets(k, reader, x.placement);
  if (!ordered) k.barrier();  // in a loop, the buffer may still be read from for the turn before
  k.store(buffer + written, data, one_holder(k, a.layout()->free_bits()));
  k.barrier();
  Tile got = from_stored(k.load(buffer + read, "converted"), a.type());
  Facts facts = facts_of(a);
  std::vector<Reg> regs;
  for (int r = 0; r < to->registers(); ++r) {
    int picked = 0;
    for (std::size_t i = 0; i < x.read_bits.size(); ++i)
      if (r >> x.read_bits[i] & 1) picked |= 1 << i;
    regs.push_back(got.reg(picked));
    if (is_integer(a.type())) regs.back().facts = facts;
  }
  return Tile(k, a.type(), std::move(to), std::move(regs));
}

}  // namespace

Tile convert(Kernel& k, const Tile& a, const Layout& to, bool ordered) {
  if (a.scalar()) return k.full(to, Value(a));
  Conversion plan = plan_conversion(*a.layout(), to, bytes(stored_as(a.type())));
  auto layout = std::make_shared<const Layout>(to);
  switch (plan.kind) {
    case Conversion::Kind::shuffles:
      return by_shuffles(k, a, layout, plan.shuffles);
    case Conversion::Kind::shared:
      return through_shared(k, a, layout, *plan.exchange, ordered);
    case Conversion::Kind::none:
      return a;
    case Conversion::Kind::registers:
      break;
  }
  std::vector<Reg> regs;
  for (int r : plan.source) regs.push_back(a.reg(r));
  return Tile(k, a.type(), layout, std::move(regs));
}

}  // namespace pagejit
