// One team's rows of queries against the keys of one sequence: scores, running softmax, weighted sum of V.
#pragma once
#include <optional>
#include <vector>

#include "kernels/attend/spec.h"
#include "kernels/attend/template_fragments.h"
#include "kernels/attend/template_split.h"

namespace pagejit::attend {

/// The rows of a team: row r is head r mod group of query r div group, in one KV head's group.
struct QueryRows {
  Value first;        // i32: the number of row 0 of the team, among the rows of its sequence and KV head
  Value count;        // i32: rows of the sequence and KV head
  Value first_query;  // the sequence's first row in the query tensor
  Value first_head;   // the group's first query head
};

/// Rows of K and V, and of what stands beside them where they are codes with a scale and a zero each.
struct Caches {
  const CacheRows &keys, &values;
  const CacheRows *key_pairs = nullptr, *value_pairs = nullptr;
  Value key_scale, value_scale;  // fp8: f32
};

class Softmax {
 public:
  Softmax(Kernel& k, const Spec& s, const Kernel::Parameters<Params>& p, const Caches& caches);

  /// Loads what belongs to these rows. The keys of the sequence end at `length`; it has `queries` of them for new
  /// tokens.
  void begin(const QueryRows& rows, const Value& length, const Value& queries);

  /// Nothing seen yet.
  std::vector<Tile> none() const;
  /// Takes in the keys of tile `tile`, which are in `stage`. A barrier of the team must come before each turn, if
  /// there are no groups(). `fill` starts copies of a later tile: it is called once, where that is least in the way.
  void take(const Value& tile, const Value& stage, std::vector<Tile>& state, const std::function<void()>& fill);

  /// Where there are groups(), V of a tile is summed a turn later: `before` is the stage of the tile before, empty
  /// when the first tile is taken, `turns` how many tiles were taken already. finish_split() comes after the last.
  void take_split(const Value& tile, const Value& stage, const Value& before, const Value& turns,
                  std::vector<Tile>& state, const std::function<void()>& fill) const;
  void finish_split(const Value& tile, const Value& stage, const Value& turns, std::vector<Tile>& state) const;

  /// What the rows came to.
  struct Result {
    Tile max, sum;   // [rows, 1]: about the largest score, in powers of two, and the sum of 2^(score − max)
    Tile logs, any;  // [rows, …], all columns alike: log2 of Σ 2^score, and whether any key was seen
    std::vector<ValueFragments::Stretch> out;  // not divided by sum
  };
  Result result(const std::vector<Tile>& state) const;

  /// Where there are groups of warps: see SplitProducts.
  const SplitProducts* groups() const { return split_ ? &*split_ : nullptr; }

  /// Of each element of a tile of [rows, …]: its query and query head in the tensors, and whether there is such a row.
  struct Places {
    Tile query, head, live;
  };
  Places places(const Layout& layout) const;

 private:
  void load_queries();
  void find_row_scales();
  Tile query(std::size_t chunk) const;
  Tile loaded(const Layout& l, const Piece& chunk) const;
  Tile scores(const Value& stage) const;
  Tile seen(const Value& tile, Tile scores) const;
  bool plain() const;
  Tile powers(const Tile& logits) const;
  Tile weights(const Tile& logits, const Tile& base) const;
  std::array<Tile, 2> pairs(const CacheRows& rows, const Value& stage, const Layout& to, std::size_t dim) const;
  struct ValuePairs {
    Tile scale, zero;  // f32; as it is stored
  };
  ValuePairs value_pairs(const Value& stage) const;
  Tile zero_columns(const Tile& zero, const Value& stage) const;
  void settle(const Tile& logits, const Tile& scale, std::vector<Tile>& state) const;
  Tile fragments(const Tile& weights) const;
  Tile weighted(const Tile& weights, const ValuePairs& pairs, std::vector<Tile>& state) const;

  Kernel& k_;
  Spec s_;
  const Kernel::Parameters<Params>& p_;
  const Caches& caches_;
  Products products_;
  KeyFragments keys_;
  ValueFragments values_;
  Layout score_layout_, seen_layout_, weight_layout_, sum_layout_;
  std::size_t held_ = 0;                      // chunks of queries in registers
  std::vector<SharedTile> shared_queries_;    // the others, one each
  std::optional<SharedTile> shared_weights_;  // where each warp has some keys of a row only
  std::optional<SplitProducts> split_;        // then it makes all products
  QueryRows rows_;
  std::vector<Tile> queries_;         // fragments, one a chunk
  Tile shrink_, grow_;                // [rows, 1]: powers of two that bring a row into f16's range, and back
  Tile query_sums_;                   // [rows, 1]: of what a zero is multiplied with
  Tile factor_;                       // of scores, before the soft-cap if there is one; positive
  Tile from_, to_, own_key_, slope_;  // [rows, 1]: keys seen, the query's own key, slope
  Value all_from_, all_to_;           // keys that all rows see
};

}  // namespace pagejit::attend
