// Where the elements of a tile lie in shared memory: a linear map as well, one to one, so that a layout followed by a
// placement is again a layout, of offsets. The swizzles that keep accesses free of bank conflicts are such maps.
#pragma once
#include <cstdint>
#include <vector>

#include "compiler/layout.h"

namespace pagejit {

class Placement {
 public:
  static Placement row_major(const Layout::Dims& shape);
  /// Rows of a matrix, row-major, their 16-byte pieces swizzled: eight rows that follow each other have a piece of the
  /// same number in eight different groups of banks. For copies along rows and for ldmatrix.
  static Placement swizzled(int rows, int columns, int elem_bytes);

  /// A map of one's own: bits[i] is the offset of the element whose i-th bit alone is set, the last dim's bits first.
  Placement(const Layout::Dims& shape, std::vector<std::uint64_t> bits) : shape_(shape), bits_(std::move(bits)) {}

  int elements() const { return 1 << bits_.size(); }
  const Layout::Dims& shape() const { return shape_; }
  int offset(const Coords& at) const;
  /// The offset that each slot of `layout` holds, as a layout of one dim.
  Layout of(const Layout& layout) const;

 private:
  Layout::Dims shape_;
  std::vector<std::uint64_t> bits_;
};

/// How a tile goes through shared memory from one layout to another.
struct Exchange {
  Placement placement;
  std::vector<int> write_bits;  // the writer's register bits, those of a vector first; bits that make copies left out
  std::vector<int> read_bits;   // the reader's, likewise
  int vector = 1;               // neighbours in memory that both sides hold in neighbouring registers (of those orders)
};

/// Vectors as wide as both sides' registers allow, up to 16 bytes, and banks so that neither side meets a conflict.
Exchange plan_exchange(const Layout& writer, const Layout& reader, int elem_bytes);

}  // namespace pagejit
