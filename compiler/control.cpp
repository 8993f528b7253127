// Branches, loops, and where a program stands in its tile.
#include <llvm/IR/BasicBlock.h>

#include <numeric>

#include "compiler/arith.h"
#include "compiler/builder.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// Of each register of a carried tile: the one that it is a copy of. A row of a sum, say, is in as many registers as
/// the row has columns, and is carried once.
std::vector<int> originals(const Tile& t) {
  std::vector<int> of;
  int copies = 0;
  if (!t.scalar() && t.registers() == t.layout()->registers())
    for (int i = 0; (1 << i) < t.layout()->registers(); ++i)
      if (t.layout()->reg_basis(i) == Coords{}) copies |= 1 << i;
  for (int r = 0; r < t.registers(); ++r) of.push_back(r & ~copies);
  return of;
}

llvm::BasicBlock* block(Kernel::Builder& b, const char* name) {
  return llvm::BasicBlock::Create(*b.context, name, b.function);
}

/// Tiles that come to one place from several: their values where they come from, and what they are there.
class Carried {
 public:
  /// They come from here …
  Carried(Kernel::Builder& b, const std::vector<Tile>& tiles) : b_(b), tiles_(tiles) {
    for (const Tile& t : tiles) original_.push_back(originals(t));
    arrive(tiles);
  }
  /// … and, changed, from here.
  void arrive(const std::vector<Tile>& now) {
    arrivals_.push_back({b_.ir.GetInsertBlock(), {}});
    for (std::size_t t = 0; t < now.size(); ++t)
      for (int r = 0; r < now[t].registers(); ++r)
        if (own(t, r)) arrivals_.back().values.push_back(b_.value(now[t].reg(r), tiles_[t].type()));
    if (!phis_.empty()) connect(arrivals_.back());
  }
  /// Both, where they meet.
  std::vector<Tile> merge(Kernel& k) {
    std::vector<Tile> all;
    for (std::size_t t = 0; t < tiles_.size(); ++t) {
      Type type = tiles_[t].type();
      std::vector<Reg> regs;
      for (int r = 0; r < tiles_[t].registers(); ++r) {
        if (!own(t, r)) {
          regs.push_back(regs[static_cast<std::size_t>(original_[t][static_cast<std::size_t>(r)])]);
          continue;
        }
        phis_.push_back(b_.ir.CreatePHI(b_.type(type), 2));
        regs.push_back(plain(phis_.back(), is_integer(type) ? Facts::of_bits(bits(type)) : Facts{}));
      }
      all.emplace_back(k, type, tiles_[t].layout(), std::move(regs));
    }
    for (const Arrival& a : arrivals_) connect(a);
    return all;
  }

 private:
  struct Arrival {
    llvm::BasicBlock* from;
    std::vector<llvm::Value*> values;
  };
  bool own(std::size_t t, int r) const { return original_[t][static_cast<std::size_t>(r)] == r; }
  void connect(const Arrival& a) {
    for (std::size_t i = 0; i < phis_.size(); ++i) phis_[i]->addIncoming(a.values[i], a.from);
  }

  Kernel::Builder& b_;
  std::vector<Tile> tiles_;
  std::vector<std::vector<int>> original_;
  std::vector<Arrival> arrivals_;
  std::vector<llvm::PHINode*> phis_;
};

/// The thread's bits of `mask`, each moved up by `by`.
llvm::Value* moved_bits(Kernel::Builder& b, llvm::Value* thread, unsigned mask, int by, std::size_t bits) {
  int low = __builtin_ctz(mask);
  unsigned run = mask >> low;
  if (run & (run + 1)) {  // not one run of bits
    llvm::Value* v = b.ir.CreateAnd(thread, mask);
    return by < 0 ? b.ir.CreateLShr(v, static_cast<unsigned>(-by)) : b.ir.CreateShl(v, static_cast<unsigned>(by));
  }
  llvm::Value* v = low == 0 ? thread : b.ir.CreateLShr(thread, static_cast<unsigned>(low));
  if (mask >> (bits - 1) == 0) v = b.ir.CreateAnd(v, run);
  return b.ir.CreateShl(v, static_cast<unsigned>(low + by));
}

/// What the thread's number adds to a coordinate: bases[i] for each bit i that is set, xor-ed. Bits that move equally
/// far are one shift and one mask.
Reg thread_part(Kernel& k, const std::vector<int>& bases) {
  Kernel::Builder& b = k.builder();
  int all = 0, bits = static_cast<int>(bases.size());
  for (int basis : bases) all |= basis;
  if (all == 0) return {};
  llvm::Value *thread = b.value(k.thread().reg(0), Type::i32), *sum = nullptr;
  int seen = 0;
  for (int by = 1 - bits; by < 31; ++by) {
    unsigned mask = 0;
    int reach = 0;
    for (int i = 0; i < bits; ++i)
      if (i + by >= 0 && i + by < 31 && bases[static_cast<std::size_t>(i)] >> (i + by) & 1)
        mask |= 1u << i, reach |= 1 << (i + by);
    if (mask == 0) continue;
    llvm::Value* v = moved_bits(b, thread, mask, by, bases.size());
    sum = !sum ? v : seen & reach ? b.ir.CreateXor(sum, v) : b.ir.CreateOr(sum, v);
    seen |= reach;
  }
  return plain(sum, Facts::range(0, all, all & -all));
}

}  // namespace

Tile Kernel::arange(const Layout& layout, int dim) {
  Builder& b = *builder_;
  if (layout.warps() != warps())
    fail(Code::internal, "a layout for another number of warps than the block has", {{"layout", layout.text()}});
  std::size_t d = static_cast<std::size_t>(dim);
  std::vector<int> bases;
  int threads_reach = 0;
  for (int i = 0; i < 5; ++i) bases.push_back(layout.lane_basis(i)[d]);
  for (int i = 0; (1 << i) < layout.warps(); ++i) bases.push_back(layout.warp_basis(i)[d]);
  for (int basis : bases) threads_reach |= basis;
  Reg thread = thread_part(*this, bases);
  std::vector<Reg> regs;
  for (int r = 0; r < layout.registers(); ++r) {
    int at = 0;
    for (int i = 0; (1 << i) < layout.registers(); ++i)
      if (r >> i & 1) at ^= layout.reg_basis(i)[d];
    // Bits that threads reach too are xor-ed into the base; the others add to it, as an offset.
    int crossed = at & threads_reach;
    Reg base = thread;
    if (crossed != 0) {
      llvm::Value *from = b.value(thread, Type::i32), *by = b.ir.getInt32(static_cast<unsigned>(crossed));
      base = plain(b.once(3002, from, by, [&] { return b.ir.CreateXor(from, by); }),
                   Facts::range(0, threads_reach, threads_reach & -threads_reach));
    }
    regs.push_back({base.base, base.offset + (at ^ crossed), -1, base.facts});
  }
  return Tile(*this, Type::i32, std::make_shared<Layout>(layout), std::move(regs));
}

Tile Kernel::full(const Layout& layout, const Value& value) {
  return Tile(*this, value.type(), std::make_shared<Layout>(layout),
              std::vector<Reg>(static_cast<std::size_t>(layout.registers()), value.reg(0)));
}

void Kernel::when(const Value& condition, const std::function<void()>& then, const std::function<void()>& otherwise) {
  Builder& b = *builder_;
  llvm::BasicBlock *yes = block(b, "then"), *no = otherwise ? block(b, "else") : nullptr, *after = block(b, "after");
  b.ir.CreateCondBr(b.value(condition.reg(0), Type::i1), yes, no ? no : after);
  b.ir.SetInsertPoint(yes);
  then();
  b.ir.CreateBr(after);
  if (otherwise) {
    b.ir.SetInsertPoint(no);
    otherwise();
    b.ir.CreateBr(after);
  }
  b.ir.SetInsertPoint(after);
}

std::vector<Tile> Kernel::when(const Value& condition, std::vector<Tile> values,
                               const std::function<void(std::vector<Tile>&)>& body) {
  Builder& b = *builder_;
  Carried carried(b, values);
  llvm::BasicBlock *yes = block(b, "then"), *after = block(b, "after");
  b.ir.CreateCondBr(b.value(condition.reg(0), Type::i1), yes, after);
  b.ir.SetInsertPoint(yes);
  body(values);
  carried.arrive(values);
  b.ir.CreateBr(after);
  b.ir.SetInsertPoint(after);
  return carried.merge(*this);
}

void Kernel::loop(const Value& first, const Value& last, const Value& step, const std::function<void(Value)>& body) {
  loop(first, last, step, {}, [&](Value i, std::vector<Tile>&) { body(i); });
}

std::vector<Tile> Kernel::loop(const Value& first, const Value& last, const Value& step, std::vector<Tile> carried,
                               const std::function<void(Value, std::vector<Tile>&)>& body) {
  Builder& b = *builder_;
  Type type = first.type() == Type::i64 || last.type() == Type::i64 || step.type() == Type::i64 ? Type::i64 : Type::i32;
  auto widened = [&](const Value& v) { return type == Type::i64 ? Value(wide(v)) : v; };
  Value from = widened(first), to = widened(last), by = widened(step);
  llvm::Value *start = b.value(from.reg(0), type), *end = b.value(to.reg(0), type), *stride = b.value(by.reg(0), type);
  Carried all(b, carried);
  llvm::BasicBlock *before = b.ir.GetInsertBlock(), *head = block(b, "loop"), *turn = block(b, "turn"),
                   *after = block(b, "after");
  b.ir.CreateBr(head);
  b.ir.SetInsertPoint(head);
  llvm::PHINode* i = b.ir.CreatePHI(b.type(type), 2, "i");
  i->addIncoming(start, before);
  std::vector<Tile> now = all.merge(*this);
  std::vector<Tile> result = now;
  b.ir.CreateCondBr(b.ir.CreateICmpSLT(i, end), turn, after);

  b.ir.SetInsertPoint(turn);
  Facts stepped = Facts::exactly(0) + from.reg(0).all();
  stepped.divisor = std::gcd(from.reg(0).all().divisor, by.reg(0).all().divisor);
  if (to.reg(0).all().hi != std::numeric_limits<std::int64_t>::max())
    stepped.hi = std::max(stepped.lo, to.reg(0).all().hi - 1);
  else
    stepped.hi = std::numeric_limits<std::int64_t>::max();
  body(Value(*this, type, plain(i, stepped)), now);
  all.arrive(now);
  i->addIncoming(b.ir.CreateNSWAdd(i, stride), b.ir.GetInsertBlock());
  b.ir.CreateBr(head);
  b.ir.SetInsertPoint(after);
  return result;
}

}  // namespace pagejit
