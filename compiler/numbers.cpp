#include "compiler/numbers.h"

#include <fmt/format.h>
#include <llvm/IR/Intrinsics.h>

#include <map>

#include "compiler/across.h"
#include "compiler/numbers_words.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// A byte below an exponent of 2^23 counts ones in a float's last place: one byte permute and one subtraction.
Four floats_of_bytes(Kernel::Builder& b, llvm::Value* word) {
  Four out;
  for (unsigned i = 0; i < 4; ++i) {
    llvm::Value* bits = chosen_bytes(b, word, b.ir.getInt32(0x4b000000u), 0x7440 | i);
    llvm::Type* f32 = b.ir.getFloatTy();
    out[i] = b.ir.CreateFSub(b.ir.CreateBitCast(bits, f32), llvm::ConstantFP::get(f32, 0x1p23));
  }
  return out;
}

}  // namespace

Tile from_u8(const Tile& bytes) {
  Kernel::Builder& b = bytes.kernel().builder();
  return decoded(bytes, [&](llvm::Value* word) { return floats_of_bytes(b, word); });
}

Tile from_bits(const Tile& bytes, int shift, int width) {
  if (shift < 0 || width < 1 || shift + width > 8)
    fail(Code::internal, fmt::format("bits {} … {} of a byte", shift, shift + width - 1));
  Kernel::Builder& b = bytes.kernel().builder();
  unsigned mask = (1u << width) - 1;
  return decoded(bytes, [&](llvm::Value* word) {
    llvm::Value* moved = b.ir.CreateLShr(word, static_cast<unsigned>(shift));
    return floats_of_bytes(b, b.ir.CreateAnd(moved, mask * 0x01010101u));
  });
}

Tile to_u8(const Tile& values) {
  Kernel::Builder& b = values.kernel().builder();
  return encoded(values, [&](const Four& v) { return b.op(MachineOp::to_u8x4, v); });
}

namespace {

/// The registers of a tile that hold the fields of one byte: those that differ along dim 1 alone.
class Fields {
 public:
  explicit Fields(const Tile& codes) : codes_(codes), count_(codes.layout()->shape()[1]) {
    for (int step = 1; step < count_; step *= 2)
      for (int bit = 0; (1 << bit) < codes.layout()->registers(); ++bit)
        if (codes.layout()->reg_basis(bit)[1] == step) bits_.push_back(bit);
    if (1 << bits_.size() != count_) fail(Code::internal, "codes of one byte in several threads");
  }
  int count() const { return count_; }
  int first(int r) const {
    for (int bit : bits_) r &= ~(1 << bit);
    return r;
  }
  const Reg& of(int first, int field) const {
    for (std::size_t i = 0; i < bits_.size(); ++i)
      if (field >> i & 1) first |= 1 << bits_[i];
    return codes_.reg(first);
  }
  /// They are the same lane of vectors that are alike: whole vectors can be packed.
  bool whole(int first) const {
    const Reg& low = of(first, 0);
    bool alike = low.lane >= 0;
    for (int f = 1; f < count_ && alike; ++f) {
      const Reg& other = of(first, f);
      alike = other.lane == low.lane && other.base->getType() == low.base->getType();
    }
    return alike;
  }

 private:
  const Tile& codes_;
  int count_;
  std::vector<int> bits_;
};

}  // namespace

Tile packed_fields(const Tile& codes, int width) {
  Kernel::Builder& b = codes.kernel().builder();
  Fields fields(codes);
  std::map<std::pair<llvm::Value*, int>, llvm::Value*> done;  // by the first field
  std::vector<Reg> regs;
  for (int r = 0; r < codes.registers(); ++r) {
    int first = fields.first(r);
    bool whole = fields.whole(first);
    const Reg& low = fields.of(first, 0);
    llvm::Value*& sum = done[{low.base, whole ? -1 : first}];
    if (!sum) {
      for (int f = 0; f < fields.count(); ++f) {
        llvm::Value* one = whole ? fields.of(first, f).base : b.value(fields.of(first, f), Type::i8);
        unsigned bits = static_cast<unsigned>(one->getType()->getPrimitiveSizeInBits());
        one = b.ir.CreateBitCast(one, b.ir.getIntNTy(bits));
        sum = sum ? b.ir.CreateOr(sum, b.ir.CreateShl(one, static_cast<unsigned>(f * width))) : one;
      }
      if (whole) sum = b.ir.CreateBitCast(sum, low.base->getType());
    }
    regs.push_back(whole ? Reg{sum, 0, low.lane, Facts::of_bits(8)} : plain(sum, Facts::of_bits(8)));
  }
  auto layout = std::make_shared<const Layout>(codes.layout()->slice(1));
  return Tile(codes.kernel(), Type::i8, std::move(layout), std::move(regs));
}

Tile square_root(const Tile& x) {
  return unary(Unary::sqrt, x);
}

Tile power_of_two_above(const Tile& x) {
  // All ones added below the exponent carry into it if any bit there is set.
  Tile bits = bitcast(x, Type::i32);
  return bitcast((bits + 0x7fffff) & -0x800000, Type::f32);
}

namespace {

/// The registers of each thread as the thread with other bits by `lanes` and `warps` holds them.
Tile from_other_warp(Kernel& k, const Tile& a, int thread_bits) {
  int most = 16 / bytes(stored_as(a.type())), vec = std::min(a.registers(), most);
  auto slots = std::make_shared<const Layout>(Layout::linear(a.registers() * 32 * k.warps(), vec, k.warps()));
  Pointer buffer = k.shared("flip", stored_as(a.type()), slots->elements());
  Tile mine = k.arange(*slots), theirs = mine + ((k.thread() ^ thread_bits) - k.thread()) * vec;
  k.barrier();  // in a loop, the buffer may still be read from for the turn before
  k.store(buffer + mine, to_stored(relabelled(a, slots)));
  k.barrier();
  Tile got = k.load(buffer + theirs, "flipped");
  return relabelled(from_stored(got, a.type()), a.layout());
}

Tile from_other_lane(const Tile& a, int lane_bits) {
  Kernel::Builder& b = a.kernel().builder();
  std::vector<Reg> regs;
  for (const Reg& r : a.regs()) {
    llvm::Value* mask = b.ir.getInt32(static_cast<unsigned>(lane_bits));
    llvm::Value* got = shuffled(b, MachineOp::shuffle_xor, b.value(r, a.type()), mask);
    regs.push_back(plain(got, is_integer(a.type()) ? r.all() : Facts{}));
  }
  Tile got(a.kernel(), a.type(), a.layout(), std::move(regs));
  return is_integer(a.type()) ? got : in_vectors(got);
}

}  // namespace

Tile flipped(Kernel& k, const Tile& a, int dim, int bit) {
  if (a.scalar()) fail(Code::internal, "a value has no other half; give it a layout first");
  Coords step{};
  step[static_cast<std::size_t>(dim)] = 1 << bit;
  if (dim >= a.layout()->rank() || 1 << bit >= a.layout()->shape()[static_cast<std::size_t>(dim)])
    fail(Code::internal, fmt::format("a tile without a bit {} along dim {}", bit, dim),
         {{"layout", a.layout()->text()}});
  // Layouts are linear: every element's partner is the same bits of register, lane and warp away.
  Slot away = *a.layout()->solve(step);
  std::vector<Reg> regs;
  for (int r = 0; r < a.registers(); ++r) regs.push_back(a.reg(r ^ away.reg));
  Tile renamed(k, a.type(), a.layout(), a.registers() == 1 ? a.regs() : regs);
  if (away.warp) return from_other_warp(k, renamed, away.warp << 5 | away.lane);
  return away.lane ? from_other_lane(renamed, away.lane) : renamed;
}

}  // namespace pagejit
