// One team's rows of queries against the keys of one sequence: scores, running softmax, weighted sum of V.
#pragma once
#include <vector>

#include "compiler/dot.h"
#include "kernels/attend/spec.h"
#include "kernels/attend/template_rows.h"

namespace pagejit::attend {

/// The rows of a team: row r is head r mod group of query r div group, in one KV head's group.
struct QueryRows {
  Value first;        // i32: the number of row 0 of the team, among the rows of its sequence and KV head
  Value count;        // i32: rows of the sequence and KV head
  Value first_query;  // the sequence's first row in the query tensor
  Value first_head;   // the group's first query head
};

class Softmax {
 public:
  Softmax(Kernel& k, const Spec& s, const Kernel::Parameters<Params>& p, const CacheRows& keys,
          const CacheRows& values);

  /// Loads what belongs to these rows. The keys of the sequence end at `length`; it has `queries` of them for new
  /// tokens.
  void begin(const QueryRows& rows, const Value& length, const Value& queries);

  /// Nothing seen yet: maxima, sums, output.
  std::vector<Tile> none() const;
  /// Takes in the keys of tile `tile`, which are in `stage`.
  void take(const Value& tile, const Value& stage, std::vector<Tile>& state);

  /// What the rows came to.
  struct Result {
    Tile max, sum;          // [rows, 1]: of scores in powers of two, and of 2^(score − max)
    std::vector<Tile> out;  // [rows, 64] each, not divided by sum
  };
  Result result(const std::vector<Tile>& state) const;

  /// Elements of V's row where each tile of `out` begins.
  const std::vector<Piece>& columns() const { return columns_; }
  const Layout& out_layout(const Piece& column) const;
  /// Of each element of a tile of `layout`: its query and query head in the tensors, and whether there is such a row.
  struct Places {
    Tile query, head, live;
  };
  Places places(const Layout& layout) const;

 private:
  Tile query(std::size_t chunk) const;
  Tile scores(const Value& stage) const;
  Tile seen(const Value& tile, Tile scores) const;

  Kernel& k_;
  Spec s_;
  const Kernel::Parameters<Params>& p_;
  const CacheRows& keys_;
  const CacheRows& values_;
  std::array<int, 2> grid_;
  Layout score_layout_, weight_layout_, sum_layout_;
  std::vector<Piece> chunks_, columns_;  // of a query's row, of an output's: what one product takes
  std::vector<Layout> out_layouts_;
  std::size_t held_ = 0;                    // chunks of queries in registers
  std::vector<SharedTile> shared_queries_;  // the others, one each
  QueryRows rows_;
  std::vector<Tile> queries_;          // fragments, one a chunk
  Tile from_, to_, distance_, slope_;  // [rows, 1]: keys seen, the query's own key, slope
  Value scale_;
};

}  // namespace pagejit::attend
