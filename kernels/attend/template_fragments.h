// What the products take in: fragments of K and V out of shared memory, decoded on the way where they are codes.
//
// Plain rows come by ldmatrix. Codes are products' operands as f16, integers in units that are factors of the sums
// (numbers.h), and of the pairs that a thread's word of codes gives. A sum does not ask in which order its elements
// come: so a word of K's codes stands for elements that the query's fragment has in the same odd order. V's codes come
// by ldmatrix in twos, a key's neighbours, and give two operands: one of the even elements, one of the odd ones.
#pragma once
#include <array>
#include <functional>
#include <vector>

#include "compiler/numbers.h"
#include "kernels/attend/spec.h"
#include "kernels/attend/template_products.h"
#include "kernels/attend/template_rows.h"

namespace pagejit::attend {

/// The type that products take in.
inline Type product_type(const Spec& s) {
  return s.quant == Quant::none ? type_of(s.q) : Type::f16;
}
/// Pieces of a stored row, and elements of it that stand as far apart as the codes of one byte.
std::vector<Piece> code_pieces(const Spec& s, int dim);

/// K as what queries are multiplied with.
class KeyFragments {
 public:
  KeyFragments(Kernel& k, const Spec& s, const Products& products, const CacheRows& rows);

  /// Elements of a query's row that one product takes: `first` and as many after it as are codes; how they are ordered
  /// is for query_columns() to say.
  const std::vector<Piece>& chunks() const { return chunks_; }
  /// What an element of a chunk comes as a multiple of.
  double unit(std::size_t chunk) const { return codes_.empty() ? 1 : code_unit(codes_[chunk % codes_.size()]); }
  /// Calls f(chunk, fragment) for each chunk, fragments of others(size, keys).
  void each(const Value& stage, const std::function<void(std::size_t, const Tile&)>& f) const;
  /// The element of a query's row that stands at each place of a layout of [rows, size], and whether the row has it.
  struct Columns {
    Tile element, live;
  };
  Columns query_columns(const Layout& l, const Piece& chunk) const;

 private:
  /// Words of codes as they are loaded, and which of them each word of a fragment is, and which half of its codes.
  struct Words {
    Layout layout;
    std::vector<std::array<int, 2>> source;
  };
  Words words(int size) const;

  Kernel& k_;
  Spec s_;
  const Products& products_;
  const CacheRows& rows_;
  std::vector<CodeFormat> codes_;  // what a byte holds; none: elements
  std::vector<Piece> loads_;       // stored elements that are loaded together; codes_.size() chunks each
  std::vector<Piece> chunks_;
};

/// V as what weights are multiplied with, and the sums that come of it.
class ValueFragments {
 public:
  ValueFragments(Kernel& k, const Spec& s, const Products& products, const CacheRows& rows);

  /// The layout of each sum.
  const std::vector<Layout>& sums() const { return sums_; }
  /// Calls f(sum, fragment) for each sum.
  void each(const Value& stage, const std::function<void(std::size_t, const Tile&)>& f) const;

  /// Sums as stretches of the output: of [rows, …], beginning with element `first` of a row.
  struct Stretch {
    int first, size;  // elements; the tile may have more columns
    Tile values;
    double unit;  // what they are multiples of
  };
  std::vector<Stretch> stretches(const std::vector<Tile>& sums) const;

 private:
  Kernel& k_;
  Spec s_;
  const Products& products_;
  const CacheRows& rows_;
  std::vector<CodeFormat> codes_;
  std::vector<Piece> loads_;
  std::vector<Layout> sums_;
};

}  // namespace pagejit::attend
