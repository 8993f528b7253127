#include "compiler/extremes.h"

#include <llvm/IR/Intrinsics.h>

#include <limits>
#include <map>

#include "compiler/across.h"
#include "compiler/numbers_words.h"
#include "compiler/reduce.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

bool in_rows(const Coords& c) {
  return c[1] != 0 || c[2] != 0;
}

/// Bits of registers and lanes that move along a row; the tile can be taken in pairs if no warps do, and if none of
/// them moves to another item as well.
struct Along {
  int regs = 0, lanes = 0;
  bool pairs = true;
};

Along along_rows(const Tile& a) {
  Along along;
  const Layout& l = *a.layout();
  auto collect = [&](std::span<const Coords> bases) {
    int bits = 0;
    for (std::size_t i = 0; i < bases.size(); ++i) {
      if (!in_rows(bases[i])) continue;
      bits |= 1 << i;
      if (bases[i][0] != 0) along.pairs = false;
    }
    return bits;
  };
  along.regs = collect(l.reg_bases()), along.lanes = collect(l.lane_bases());
  if (collect(l.warp_bases()) != 0 || !(along.regs & 1) || a.registers() != l.registers()) along.pairs = false;
  if (bits(a.type()) != 16) along.pairs = false;
  return along;
}

class Pairs {
 public:
  Pairs(const Tile& a, const Along& along) : b_(a.kernel().builder()), a_(a), along_(along) {
    pair_ = llvm::FixedVectorType::get(b_.type(a.type()), 2);
  }

  /// The largest in the low half, the least with its sign turned in the high one.
  llvm::Value* of_item(int first) {
    std::vector<llvm::Value*> most, least;
    for (int r = 0; r < a_.registers(); r += 2)
      if ((r & along_.regs) == r) most.push_back(pair_of(first | r));
    least = most;
    llvm::Value* high = tree(most, llvm::Intrinsic::maximum);
    llvm::Value* low = b_.ir.CreateXor(word(tree(least, llvm::Intrinsic::minimum)), 0x80008000u);
    llvm::Value* even = pair(chosen_bytes(b_, word(high), low, 0x5410));
    llvm::Value* both = larger(even, pair(chosen_bytes(b_, word(high), low, 0x7632)));
    for (int bit = 1; bit <= along_.lanes; bit *= 2)
      if (along_.lanes & bit)
        both = larger(
            both, pair(shuffled(b_, MachineOp::shuffle_xor, word(both), b_.ir.getInt32(static_cast<unsigned>(bit)))));
    return both;
  }

  llvm::Value* half(llvm::Value* both, unsigned lane) {
    if (a_.type() == Type::f16) return b_.ir.CreateFPExt(b_.ir.CreateExtractElement(both, lane), b_.ir.getFloatTy());
    llvm::Value* w = word(both);
    return b_.ir.CreateBitCast(lane == 0 ? b_.ir.CreateShl(w, 16) : b_.ir.CreateAnd(w, 0xffff0000u),
                               b_.ir.getFloatTy());
  }

 private:
  llvm::Value* word(llvm::Value* v) { return b_.ir.CreateBitCast(v, b_.ir.getInt32Ty()); }
  llvm::Value* pair(llvm::Value* w) { return b_.ir.CreateBitCast(w, pair_); }
  llvm::Value* larger(llvm::Value* x, llvm::Value* y) {
    return b_.ir.CreateBinaryIntrinsic(llvm::Intrinsic::maximum, x, y);
  }

  /// Registers r and r + 1: as they were loaded, where they are neighbours in one vector.
  llvm::Value* pair_of(int r) {
    const Reg &low = a_.reg(r), &high = a_.reg(r + 1);
    if (low.lane >= 0 && low.lane % 2 == 0 && high.base == low.base && high.lane == low.lane + 1) {
      unsigned lanes = llvm::cast<llvm::FixedVectorType>(low.base->getType())->getNumElements();
      llvm::Value* words = b_.ir.CreateBitCast(low.base, llvm::FixedVectorType::get(b_.ir.getInt32Ty(), lanes / 2));
      return pair(b_.ir.CreateExtractElement(words, static_cast<std::uint64_t>(low.lane / 2)));
    }
    llvm::Value* two = llvm::PoisonValue::get(pair_);
    two = b_.ir.CreateInsertElement(two, b_.value(low, a_.type()), std::uint64_t{0});
    return b_.ir.CreateInsertElement(two, b_.value(high, a_.type()), std::uint64_t{1});
  }

  llvm::Value* tree(std::vector<llvm::Value*> all, llvm::Intrinsic::ID how) {
    while (all.size() > 1) {
      std::vector<llvm::Value*> half;
      for (std::size_t i = 0; i + 1 < all.size(); i += 2)
        half.push_back(b_.ir.CreateBinaryIntrinsic(how, all[i], all[i + 1]));
      all = std::move(half);
    }
    return all[0];
  }

  Kernel::Builder& b_;
  const Tile& a_;
  const Along& along_;
  llvm::Type* pair_;
};

Extremes by_pairs(Kernel& k, const Tile& a, const Along& along) {
  Kernel::Builder& b = k.builder();
  Pairs pairs(a, along);
  std::map<int, std::pair<Reg, Reg>> items;
  std::vector<Reg> least, most;
  for (int r = 0; r < a.registers(); ++r) {
    auto [at, fresh] = items.try_emplace(r & ~along.regs);
    if (fresh) {
      llvm::Value* both = pairs.of_item(at->first);
      at->second = {plain(b.ir.CreateFNeg(pairs.half(both, 1))), plain(pairs.half(both, 0))};
    }
    least.push_back(at->second.first), most.push_back(at->second.second);
  }
  auto layout = std::make_shared<const Layout>(a.layout()->slice(1).slice(2));
  return {Tile(k, Type::f32, layout, std::move(least)), Tile(k, Type::f32, layout, std::move(most))};
}

Tile over_row(Kernel& k, const Tile& a, Reduce how) {
  Tile fields = a.layout()->shape()[1] > 1 ? reduce(k, a, 1, how) : a;
  return reduce(k, fields, 2, how);
}

}  // namespace

Extremes extremes(Kernel& k, const Tile& a, const Tile& exists) {
  if (a.scalar() || a.layout()->rank() != 3) fail(Code::internal, "extremes of a tile without rows");
  Along along = along_rows(a);
  if (along.pairs && !exists) return by_pairs(k, a, along);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tile x = cast(a, Type::f32);
  auto but = [&](double otherwise) { return exists ? select(exists, x, real(x, otherwise)) : x; };
  Tile high = but(infinity), least = over_row(k, high, Reduce::min), most = over_row(k, but(-infinity), Reduce::max);
  Tile has_nan = over_row(k, cast(high != high, Type::i32), Reduce::max) != 0;
  return {least, select(has_nan, real(most, std::numeric_limits<double>::quiet_NaN()), most)};
}

}  // namespace pagejit
