// Rows that are quantised whole: how they lie in a tile [items, fields, columns], and what is left of it when they are
// packed.
#pragma once
#include "compiler/kernel.h"
#include "kernels/append/spec.h"

namespace pagejit::append {

/// Drops register bits: the tiles of a layout without those that hold copies.
class Narrowed {
 public:
  /// Of `full`, the register bits that move along none of `dims`.
  Narrowed(const Layout& full, std::initializer_list<int> dims);
  Tile operator()(const Tile& t) const;

 private:
  std::vector<int> kept_;
};

class Rows {
 public:
  Rows(int threads, int items, Quant quant, int dim);

  Tile items(Kernel& k) const;     // [items, 1, 1]: i32
  Tile elements(Kernel& k) const;  // [items, fields, columns]: which element of its row
  Tile exist(Kernel& k) const;     // the same: whether the row has it; empty where all do

  /// This thread is the one of several with the same elements that stores them; empty where there is but one.
  Tile stores(Kernel& k) const;

  // Of the packed codes: [items, 1, columns], or all of the tile where nothing is packed.
  Narrowed of_codes() const;
  Tile code_columns(Kernel& k) const;  // which code of its row
  Tile codes_exist(Kernel& k) const;   // empty where all do

  // Of the metadata: [items, 1, 1], or [items, fields, 1] for those of groups.
  Narrowed of_metadata() const;
  Tile metadata_columns(Kernel& k) const;
  /// This thread is the one that stores it; of `numbers` of two, one of the two.
  Tile holds_metadata(Kernel& k, int numbers) const;
  /// Where a row lies in several lanes the first two of them have a number each: this is the second. Else empty.
  Value holds_second(Kernel& k) const;

 private:
  bool grouped() const { return quant_ == Quant::fp8_group; }
  int copies() const;  // bits of a thread's number that make no difference
  int lanes_of_row() const;
  Quant quant_;
  int dim_, width_;
  Layout layout_;
};

}  // namespace pagejit::append
