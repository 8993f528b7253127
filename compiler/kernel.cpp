#include "compiler/kernel.h"

#include <fmt/format.h>

#include "compiler/builder.h"
#include "runtime/base/error.h"

namespace pagejit {

Kernel::Builder::Builder(Lowering& l)
    : lowering(l),
      context(std::make_unique<llvm::LLVMContext>()),
      module(std::make_unique<llvm::Module>("kernel", *context)),
      ir(*context) {
  isa = l.target().isa;
}

llvm::Type* Kernel::Builder::type(Type t) {
  switch (t) {
    case Type::i1:
      return ir.getInt1Ty();
    case Type::i8:
      return ir.getInt8Ty();
    case Type::i16:
      return ir.getInt16Ty();
    case Type::i32:
      return ir.getInt32Ty();
    case Type::i64:
      return ir.getInt64Ty();
    case Type::f16:
      return ir.getHalfTy();
    case Type::bf16:
      return ir.getBFloatTy();
    case Type::f32:
      return ir.getFloatTy();
  }
  fail(Code::internal, "a type without an LLVM type");
}

llvm::Value* Kernel::Builder::value(const Reg& reg, Type t) {
  llvm::Type* want = type(t);
  if (reg.lane >= 0) {
    llvm::Value* lane = ir.getInt32(static_cast<unsigned>(reg.lane));
    return once(3000, reg.base, lane, [&] { return ir.CreateExtractElement(reg.base, lane); });
  }
  if (!reg.base) return llvm::ConstantInt::getSigned(want, reg.offset);
  if (reg.offset == 0) return reg.base;
  llvm::Value* offset = llvm::ConstantInt::getSigned(want, reg.offset);
  return once(3001, reg.base, offset, [&] { return ir.CreateAdd(reg.base, offset); });
}

llvm::Value* Kernel::Builder::op(MachineOp which, llvm::ArrayRef<llvm::Value*> operands) {
  const MachineOpRow& r = row(which);
  const Target& t = lowering.target();
  if (!t.is_emulator() && t.sm < r.sm)
    fail(Code::unsupported, fmt::format("{} needs sm_{} or newer, and the target is {}", r.name, r.sm, t.name));
  isa = std::max(isa, r.isa);
  return lowering.op(ir, which, operands);
}

Reg plain(llvm::Value* value, const Facts& facts) {
  if (auto* c = llvm::dyn_cast<llvm::ConstantInt>(value)) return {nullptr, c->getSExtValue(), -1, Facts::exactly(0)};
  return {value, 0, -1, facts};
}

Type type_of(Elem e) {
  switch (e) {
    case Elem::f32:
      return Type::f32;
    case Elem::f16:
      return Type::f16;
    case Elem::bf16:
      return Type::bf16;
    case Elem::i32:
      return Type::i32;
    case Elem::i64:
      return Type::i64;
    default:
      return Type::i8;
  }
}

Kernel::Kernel(Lowering& lowering) : builder_(std::make_unique<Builder>(lowering)) {}
Kernel::~Kernel() = default;

const Target& Kernel::target() const {
  return builder_->lowering.target();
}
int Kernel::warps() const {
  return builder_->facts.block / builder_->teams / 32;
}

void Kernel::start(std::string_view name, std::span<const ParamField> fields, int bytes, int team, int teams) {
  Builder& b = *builder_;
  if (b.begun()) fail(Code::internal, "begin() was called twice for one kernel");
  int threads = team * teams;
  if (team < 32 || threads > 1024 || team % 32 != 0)
    fail(Code::argument, fmt::format("a block of {} threads; expected a multiple of 32, from 32 to 1024", threads));
  if (teams > 1 && ((team & (team - 1)) != 0 || (team > 32 && teams > 15)))
    fail(Code::internal,
         fmt::format("{} teams of {} threads; expected powers of two, at most 15 teams of several warps", teams, team));
  b.teams = teams;
  b.fields = fields;
  b.facts.symbol = std::string(name);
  b.facts.target = std::string(target().name);
  b.facts.block = threads;
  b.facts.param_bytes = bytes;
  b.function = b.lowering.begin(*b.module, b.ir, name, fields, bytes, threads);
}

void Kernel::end() {
  builder_->ir.CreateRetVoid();
}

Emitted Kernel::take() {
  Builder& b = *builder_;
  b.facts.dynamic_shared = b.shared_bytes;
  b.facts.ptx_isa = b.isa;
  b.lowering.finish(*b.module, *b.function, b.shared_bytes);
  return {std::move(b.context), std::move(b.module), std::move(b.facts), std::move(b.sites)};
}

Value Kernel::parameter(int index, Promise promise) {
  Builder& b = *builder_;
  const ParamField& field = b.fields[static_cast<std::size_t>(index)];
  Type type = field.type == ParamType::f32 ? Type::f32 : field.size == 8 ? Type::i64 : Type::i32;
  llvm::Value* v = b.lowering.param(b.ir, field.offset, b.type(type));
  v->setName(llvm::StringRef(field.name.data(), field.name.size()));
  if (type == Type::f32) return Value(*this, type, plain(v));
  Facts facts = Facts::of_bits(bits(type));
  facts = Facts::range(std::max(facts.lo, promise.at_least), std::min(facts.hi, promise.at_most), promise.multiple_of);
  return Value(*this, type, plain(v, facts));
}

Pointer Kernel::tensor(int index, Elem elem, int aligned) {
  Builder& b = *builder_;
  const ParamField& field = b.fields[static_cast<std::size_t>(index)];
  Value base = parameter(index, {.multiple_of = std::max(aligned, bytes(elem))});
  b.sites.push_back({std::string(field.name), elem, Space::global, field.offset, 0, 0});
  return Pointer(elem, static_cast<int>(b.sites.size()) - 1, Space::global, base, {});
}

Value Kernel::map(int index) {
  Builder& b = *builder_;
  return Value(*this, Type::i64,
               plain(b.lowering.param_address(b.ir, b.fields[static_cast<std::size_t>(index)].offset)));
}

Pointer Kernel::shared(std::string_view name, Elem elem, int elements, int aligned) {
  Builder& b = *builder_;
  auto up = [&](int n) { return (n + aligned - 1) / aligned * aligned; };
  int at = up(b.shared_bytes), size = up(elements * bytes(elem));
  b.shared_bytes = at + size * b.teams;
  b.sites.push_back({std::string(name), elem, Space::shared, -1, at, size * (b.teams - 1) + elements * bytes(elem)});
  llvm::Value* window = b.lowering.shared_base(b.ir);
  Value base(*this, Type::i32, {window, at, -1, Facts::range(0, 1 << 20, aligned)});
  if (b.teams > 1) base = base + team() * size;
  return Pointer(elem, static_cast<int>(b.sites.size()) - 1, Space::shared, base, {});
}

Value Kernel::constant(Type type, std::int64_t value) {
  if (!is_integer(type)) {
    llvm::Type* t = builder_->type(type);
    return Value(*this, type, {llvm::ConstantFP::get(t, static_cast<double>(value)), 0, -1, {}});
  }
  return Value(*this, type, {nullptr, value, -1, Facts::exactly(0)});
}

namespace {
Value coordinate(Kernel& k, MachineOp op, std::int64_t most) {
  return Value(k, Type::i32, plain(k.builder().op(op, {}), Facts::range(0, most)));
}
}  // namespace

Value Kernel::program(int dim) {
  constexpr MachineOp ops[] = {MachineOp::program_id_x, MachineOp::program_id_y, MachineOp::program_id_z};
  return coordinate(*this, ops[dim], dim == 0 ? 0x7ffffffe : 65534);
}
Value Kernel::programs(int dim) {
  constexpr MachineOp ops[] = {MachineOp::programs_x, MachineOp::programs_y, MachineOp::programs_z};
  return coordinate(*this, ops[dim], dim == 0 ? 0x7fffffff : 65535);
}
Value Kernel::thread() {
  Value all = coordinate(*this, MachineOp::thread_id, builder_->facts.block - 1);
  return builder_->teams == 1 ? all : all % (builder_->facts.block / builder_->teams);
}
Value Kernel::team() {
  if (builder_->teams == 1) return constant(Type::i32, 0);
  return coordinate(*this, MachineOp::thread_id, builder_->facts.block - 1) / (builder_->facts.block / builder_->teams);
}

void Kernel::barrier() {
  if (builder_->teams == 1) {
    builder_->op(MachineOp::barrier, {});
  } else if (warps() == 1) {
    builder_->op(MachineOp::warp_sync, {});
  } else {
    machine(MachineOp::barrier_group, {team() + 1, constant(Type::i32, 32 * warps())});
  }
}
void Kernel::copy_commit() {
  builder_->op(MachineOp::copy_async_commit, {});
}
void Kernel::copy_wait(int pending) {
  builder_->op(MachineOp::copy_async_wait, {builder_->ir.getInt32(static_cast<unsigned>(pending))});
}

void Kernel::prefetch(const Pointer& at) {
  machine(MachineOp::prefetch, {Value(at.address())});
}

void Kernel::dependency_wait() {
  if (!target().has_pdl()) return;
  builder_->op(MachineOp::dependency_wait, {});
  builder_->facts.pdl = true;
}

void Kernel::dependents_launch() {
  if (target().has_pdl()) builder_->op(MachineOp::dependents_launch, {});
}

std::vector<Value> Kernel::machine(MachineOp which, const std::vector<Value>& operands) {
  Builder& b = *builder_;
  std::vector<llvm::Value*> plain_operands;
  for (const Value& v : operands) plain_operands.push_back(b.value(v.reg(0), v.type()));
  llvm::Value* result = b.op(which, plain_operands);
  std::string_view kinds = row(which).results();
  auto type = [](char kind) {
    return kind == 'f' ? Type::f32 : kind == 'l' || kind == 'p' ? Type::i64 : kind == 'b' ? Type::i1 : Type::i32;
  };
  std::vector<Value> results;
  if (kinds == "v") return results;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    llvm::Value* one = kinds.size() == 1 ? result : b.ir.CreateExtractValue(result, static_cast<unsigned>(i));
    Type t = type(kinds[i]);
    results.emplace_back(*this, t, plain(one, Facts::of_bits(bits(t))));
  }
  return results;
}

}  // namespace pagejit
