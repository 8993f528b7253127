// A matrix in shared memory, swizzled, in as many copies as a pipeline has stages.
#pragma once
#include "compiler/kernel.h"
#include "compiler/placement.h"

namespace pagejit {

class SharedTile {
 public:
  SharedTile(Kernel& k, std::string_view name, Elem elem, int rows, int columns, int stages = 1);
  /// Tiles for rows that the copy engine brings, of at most 128 bytes each: it swizzles them alike, by their address.
  /// `count` of them lie behind one another in each stage, so that one box can fill them all.
  static std::vector<SharedTile> boxes(Kernel& k, std::string_view name, Elem elem, int rows, int columns, int stages,
                                       int count);

  /// The same memory as elements of another size: a row of u8 is a row of a quarter as many i32.
  SharedTile as(Elem elem) const;
  int columns() const { return placement_.shape()[1]; }

  /// Where each element of a [rows, columns] tile of `layout` lies.
  Pointer at(const Layout& layout, const Value& stage) const;
  /// Where a row begins, of a tile for boxes: bytes. So many rows fill lines of 128 bytes.
  Value row(int row, const Value& stage) const;
  /// Where several threads hold an element, one of them writes it. Where `mask` is false nothing is written.
  void store(const Tile& data, const Value& stage, const Tile& mask = {}) const;
  /// Copies past registers (Kernel::copy_async) as `layout` says, each element by one thread; zeros where `mask` is
  /// false.
  void copy_async(const Layout& layout, const Value& stage, const Pointer& from, const Tile& mask) const;
  /// The matrix as a tile of `layout`, by ldmatrix where the layout is that of a fragment. What was stored must have
  /// been waited for, and a barrier passed. `column`: only those from there on that the layout's shape holds; a
  /// multiple of it, and of 128 bytes unless it is 0.
  Tile load(const Layout& layout, const Value& stage, int column = 0) const;
  /// The same turned round: `layout` is of [columns, rows].
  Tile load_transposed(const Layout& layout, const Value& stage, int column = 0) const;

  /// What load gives a fragment's layout, by one ldmatrix at a time: registers 8 · i to 8 · i + 7 of the tile, when
  /// load(i) is called. For products that begin while more is loaded.
  class Fragments {
   public:
    int count() const { return rows_.registers(); }
    std::vector<Reg> load(int i) const;

   private:
    friend class SharedTile;
    Fragments(Tile rows, MachineOp op, Type type) : rows_(std::move(rows)), op_(op), type_(type) {}
    Tile rows_;  // addresses
    MachineOp op_;
    Type type_;
  };
  Fragments fragments(const Layout& layout, const Value& stage, int column = 0) const;

 private:
  SharedTile(Kernel& k, Placement placement, Pointer memory, int pitch)
      : kernel_(k), placement_(std::move(placement)), memory_(std::move(memory)), pitch_(pitch) {}

  Kernel& kernel_;
  Placement placement_;
  Pointer memory_;
  int pitch_;  // elements from stage to stage
};

}  // namespace pagejit
