// Products of a team's rows with keys or values, on tensor cores.
//
// One operation multiplies 16 rows of its first operand with 8 columns of its second. Where there are more than 8 rows
// of queries they are the first operand. Of 8 or less the second operand makes better use: keys and elements of V are
// then the first one's rows, and half as many operations, scores and sums do. All tiles here are of [rows, …] or
// […, columns] either way; layouts alone know.
#pragma once
#include "compiler/kernel.h"
#include "kernels/attend/spec.h"

namespace pagejit::attend {

class Products {
 public:
  Products(Kernel& k, const Spec& s);

  /// Rows' operand, [rows, depth], the other one, [depth, columns], and what they come to, [rows, columns], f32.
  Layout rows(int depth) const;
  Layout others(int depth, int columns) const;
  Layout sums(int columns) const { return sums(columns, across_); }
  /// The same where each warp across has all columns.
  Layout whole_sums(int columns) const;
  /// The fewest columns that there can be.
  int least_columns() const { return least_columns(s_) * across_; }
  static int least_columns(const Spec& s) { return turned(s) ? 16 : 8; }
  /// Whether rows are the second operand.
  static bool turned(const Spec& s) { return s.rows < 16; }
  bool turned() const { return turned(s_); }

  /// rows · others + sums.
  Tile dot(const Tile& rows, const Tile& others, const Tile& sums) const;
  /// 16-bit sums as the rows' operand of the next product. Warps that have some of the columns only exchange them.
  Tile as_rows(const Tile& sums) const;

 private:
  Layout sums(int columns, int across) const;

  Kernel& k_;
  Spec s_;
  int across_;
};

}  // namespace pagejit::attend
