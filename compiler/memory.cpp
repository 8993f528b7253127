// Loads, stores and asynchronous copies: as wide as what is known of addresses and masks allows.
#include "compiler/memory.h"

#include <fmt/format.h>

#include "compiler/builder.h"
#include "compiler/layout.h"
#include "runtime/base/error.h"

namespace pagejit {

Tile Pointer::address() const {
  if (!offset_) return base_;
  Tile scaled = offset_ * bytes(elem_);
  return base_ + (space_ == Space::global ? wide(scaled) : cast(scaled, Type::i32));
}

Pointer Pointer::moved(const Tile& bytes) const {
  return Pointer(elem_, site_, space_, base_ + bytes, offset_);
}

Pointer operator+(const Pointer& p, const Tile& elements) {
  Tile offset = p.offset() ? p.offset() + elements : elements;
  return Pointer(p.elem(), p.site(), p.space(), p.base(), offset);
}

int run_length(const Tile& address, const Tile& mask, int first, int elem_bytes, int total, int widest) {
  const Reg& head = address.reg(first);
  int most = static_cast<int>(alignment(head.facts, head.offset, widest)) / elem_bytes;
  int run = 1;
  while (run * 2 <= most && first % (run * 2) == 0 && first + run * 2 <= total) {
    for (int i = run; i < run * 2; ++i) {
      const Reg& r = address.reg(first + i);
      if (r.base != head.base || r.offset != head.offset + i * elem_bytes) return run;
      if (mask && !mask.reg(first + i).same(mask.reg(first))) return run;
    }
    run *= 2;
  }
  return run;
}

namespace {

/// What one access needs, worked out for all registers of a tile.
struct Plan {
  Tile address, mask;
  std::shared_ptr<const Layout> layout;
  int registers = 1;
};

Plan plan(const Pointer& p, const Tile& mask, const Tile& value) {
  Plan r{p.address(), mask, nullptr, 1};
  r.layout = r.address.layout();
  if (mask) r.layout = common_layout(r.address, mask);
  if (value) r.layout = common_layout(value, Tile(value.kernel(), Type::i32, r.layout, {Reg{}}));
  r.registers = std::max({r.address.registers(), mask ? mask.registers() : 1, value ? value.registers() : 1});
  return r;
}

llvm::Value* mask_value(Kernel::Builder& b, const Tile& mask, int i) {
  if (!mask) return nullptr;
  const Reg& r = mask.reg(i);
  if (!r.base && r.offset != 0) return nullptr;
  return b.value(r, Type::i1);
}

/// Known while emitting: no thread makes this access.
bool never(const Tile& mask, int i) {
  return mask && !mask.reg(i).base && mask.reg(i).offset == 0;
}

Access access(Kernel::Builder& b, const Pointer& p, int count, bool past_l1 = false) {
  return {p.space(), b.type(type_of(p.elem())), count, count * bytes(p.elem()), p.site(), past_l1};
}

/// Registers first … first + count − 1 as one vector: the loaded one itself where they are its lanes in order.
llvm::Value* gathered(Kernel::Builder& b, const Tile& t, int first, int count) {
  if (count == 1) return b.value(t.reg(first), t.type());
  const Reg& head = t.reg(first);
  if (head.lane >= 0) {
    bool in_order = true;
    for (int i = 0; i < count; ++i)
      in_order &= t.reg(first + i).base == head.base && t.reg(first + i).lane == head.lane + i;
    unsigned lanes = llvm::cast<llvm::FixedVectorType>(head.base->getType())->getNumElements();
    if (in_order && head.lane == 0 && lanes == static_cast<unsigned>(count)) return head.base;
    if (in_order) {
      std::vector<int> picked;
      for (int i = 0; i < count; ++i) picked.push_back(head.lane + i);
      return b.ir.CreateShuffleVector(head.base, picked);
    }
  }
  llvm::Value* v = llvm::PoisonValue::get(llvm::FixedVectorType::get(b.type(t.type()), static_cast<unsigned>(count)));
  for (int i = 0; i < count; ++i)
    v = b.ir.CreateInsertElement(v, b.value(t.reg(first + i), t.type()), static_cast<std::uint64_t>(i));
  return v;
}

}  // namespace

Tile Kernel::load(const Pointer& from, std::string_view name) {
  return load(from, Tile(), name);
}
Tile Kernel::load(const Pointer& from, const Tile& mask, std::string_view name) {
  return load(from, mask, name, false);
}
Tile Kernel::load_now(const Pointer& from, const Tile& mask, std::string_view name) {
  return load(from, mask, name, true);
}
Tile Kernel::load(const Pointer& from, const Tile& mask, std::string_view name, bool past_l1) {
  Builder& b = *builder_;
  Plan p = plan(from, mask, Tile());
  Type type = type_of(from.elem());
  Facts facts = is_integer(type) ? Facts::of_bits(bits(type)) : Facts{};
  std::vector<Reg> regs(static_cast<std::size_t>(p.registers));
  for (int i = 0; i < p.registers;) {
    int seen = -1;  // an earlier register at the same place, under the same mask: the same element
    for (int j = 0; j < i && seen < 0; ++j)
      if (p.address.reg(j).same(p.address.reg(i)) && (!mask || mask.reg(j).same(mask.reg(i)))) seen = j;
    if (seen >= 0) {
      regs[static_cast<std::size_t>(i)] = regs[static_cast<std::size_t>(seen)];
      ++i;
      continue;
    }
    int run = run_length(p.address, mask, i, bytes(from.elem()), p.registers, 16);
    if (never(mask, i)) {
      llvm::Value* zero = llvm::Constant::getNullValue(b.type(type));
      for (int j = 0; j < run; ++j) regs[static_cast<std::size_t>(i + j)] = plain(zero, facts);
      i += run;
      continue;
    }
    llvm::Value* at = b.value(p.address.reg(i), p.address.type());
    llvm::Value* v = b.lowering.load(b.ir, access(b, from, run, past_l1), at, mask_value(b, mask, i));
    v->setName(llvm::StringRef(name.data(), name.size()));
    for (int j = 0; j < run; ++j) regs[static_cast<std::size_t>(i + j)] = {v, 0, run == 1 ? -1 : j, facts};
    i += run;
  }
  return Tile(*this, type, p.layout, std::move(regs));
}

void Kernel::store(const Pointer& to, const Tile& value) {
  store(to, value, Tile());
}
void Kernel::store(const Pointer& to, const Tile& value, const Tile& mask) {
  Builder& b = *builder_;
  Type type = type_of(to.elem());
  if (value.type() != type)
    fail(Code::internal, fmt::format("a store to '{}' of a value of another type; cast it first",
                                     b.sites[static_cast<std::size_t>(to.site())].tensor));
  Plan p = plan(to, mask, value);
  for (int i = 0; i < p.registers;) {
    int run = run_length(p.address, mask, i, bytes(to.elem()), p.registers, 16);
    if (!never(mask, i)) {
      llvm::Value* at = b.value(p.address.reg(i), p.address.type());
      llvm::Value* v = gathered(b, value, i, run);
      b.lowering.store(b.ir, access(b, to, run), at, v, mask_value(b, mask, i));
    }
    i += run;
  }
}

void Kernel::copy_async(const Pointer& to, const Pointer& from, const Tile& mask) {
  Builder& b = *builder_;
  Plan source = plan(from, mask, Tile());
  Tile target = to.address();
  for (int i = 0; i < source.registers;) {
    int size = bytes(from.elem());
    int run = std::min(run_length(source.address, mask, i, size, source.registers, 16),
                       run_length(target, Tile(), i, size, source.registers, 16));
    int piece = run * size;
    if (piece < 4)
      fail(Code::unsupported,
           fmt::format("an asynchronous copy to '{}' in pieces of {} bytes; the machine copies 4, 8 or 16 at a time",
                       b.sites[static_cast<std::size_t>(to.site())].tensor, piece));
    llvm::Value* live = mask_value(b, mask, i);
    llvm::Value* read = b.ir.getInt32(static_cast<unsigned>(piece));
    if (live) read = b.ir.CreateSelect(live, read, b.ir.getInt32(0));
    MachineOp op = piece == 16  ? MachineOp::copy_async_16
                   : piece == 8 ? MachineOp::copy_async_8
                                : MachineOp::copy_async_4;
    b.op(op, {b.value(target.reg(i), Type::i32), b.value(source.address.reg(i), Type::i64), read});
    i += run;
  }
}

}  // namespace pagejit
