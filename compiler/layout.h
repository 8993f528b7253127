// Linear layouts: which element of a tile each register of each lane of each warp holds.
//
// The bits of (register, lane, warp) map to the bits of the tile's coordinates by a linear map over GF(2): each bit has
// a basis vector, and a slot holds the xor of the bases of its set bits. One description serves addresses, the widest
// access, reductions, the fragments of mma and the way from any layout to any other. No LLVM in here.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/gf2.h"

namespace pagejit {

/// One number a dimension; those beyond the rank are 0.
using Coords = std::array<int, 4>;

/// One register of one thread.
struct Slot {
  int reg = 0, lane = 0, warp = 0;
  bool operator==(const Slot&) const = default;
};

class Layout {
 public:
  using Dims = std::vector<int>;  // powers of two, one a dimension

  /// Each thread holds `vec` neighbours, lanes (product 32) and then warps stand side by side, each along `order`
  /// (fastest dim first). A tile that is larger repeats this over more registers; in one that is smaller, the lanes and
  /// warps that find no element of their own hold copies.
  static Layout blocked(const Dims& shape, const Dims& vec, const Dims& lanes, const Dims& warps, const Dims& order);
  /// One dimension: `vec` elements a thread, then lanes, then warps, then more registers.
  static Layout linear(int elements, int vec, int warps);
  /// From bases: what each bit of register, lane (5 of them) and warp adds to the coordinates.
  static Layout of(const Dims& shape, std::vector<Coords> reg, std::vector<Coords> lane, std::vector<Coords> warp);

  // The fragments of mma.sync m16n8k16 with 16-bit operands (PTX ISA 9.7.14), repeated over a larger tile. `warps` is
  // the grid of warps along M and N; warps beside each other along the other axis hold copies of an operand.
  static Layout mma_a(int m, int k, std::array<int, 2> warps);  // [m, k]: 8 registers, then along k, then along m
  static Layout mma_b(int k, int n, std::array<int, 2> warps);  // [k, n]: 4 registers, then along k, then along n
  static Layout mma_c(int m, int n, std::array<int, 2> warps);  // [m, n]: 4 registers, then along n, then along m

  int rank() const { return static_cast<int>(shape_.size()); }
  std::span<const int> shape() const { return shape_; }
  int elements() const;
  int registers() const { return 1 << reg_.size(); }
  int warps() const { return 1 << warp_.size(); }
  const Coords& reg_basis(int bit) const { return reg_[static_cast<std::size_t>(bit)]; }
  const Coords& lane_basis(int bit) const { return lane_[static_cast<std::size_t>(bit)]; }
  const Coords& warp_basis(int bit) const { return warp_[static_cast<std::size_t>(bit)]; }
  std::span<const Coords> reg_bases() const { return reg_; }
  std::span<const Coords> lane_bases() const { return lane_; }
  std::span<const Coords> warp_bases() const { return warp_; }

  Coords apply(int reg, int lane, int warp) const;
  Coords apply(const Slot& s) const { return apply(s.reg, s.lane, s.warp); }
  /// Who holds the element: of several copies the one whose free bits are 0. None if nobody does.
  std::optional<Slot> solve(const Coords& at) const;

  bool injective() const;   // no element is held twice
  bool surjective() const;  // every element is held
  /// Bits of register, lane and warp that only make copies: the slots with all of them 0 hold each element once.
  Slot free_bits() const;
  /// The longest run of registers 0 … n − 1 that walks `dim` by one.
  int contiguous(int dim) const;
  /// The layout of a tile whose `dim` has size 1 (reduced, or to be broadcast): who held a row now holds its one
  /// element.
  Layout slice(int dim) const;
  /// The same with these register bits only, in this order: new bit i is old bit order[i].
  Layout with_register_bits(std::span<const int> order) const;
  /// The same with its dimensions in another order: new dim i is old dim order[i].
  Layout permuted(std::span<const int> order) const;

  /// A coordinate as one vector of bits, the last dim lowest: its place in a row-major array.
  std::uint64_t flat(const Coords& at) const;
  Coords unflat(std::uint64_t bits) const;
  /// All bases: registers from bit 0 on, then lanes, then warps.
  Gf2Span span() const;
  /// A sum of bases (a result of span().solve) as the slot it stands for.
  Slot slot(std::uint64_t sum) const;

  bool operator==(const Layout&) const = default;
  /// "[64, 128] reg (0,1) (0,2) lane (0,4) … warp …"
  std::string text() const;

 private:
  Dims shape_;
  std::vector<Coords> reg_, lane_, warp_;
};

}  // namespace pagejit
