// Scores and sums of many wide rows, by warps that split the dims of a key among themselves.
//
// A team is two groups of warps, each with rows of its own. A warp of a group multiplies all of the group's rows with
// all keys of a turn, over its part of the dims: its queries stay in registers, and no other warp of the group reads
// the same part of a key. Partial sums go from warp to warp through shared memory, an octet of rows to each, which then
// has whole rows of scores. Weights go to all warps of the group, each of which sums its columns of V.
//
// Groups take turns: while one multiplies queries with keys, the other makes weights and sums V. So tensor cores have
// work while scores are on their way.
#pragma once
#include <functional>
#include <vector>

#include "kernels/attend/spec.h"
#include "kernels/attend/template_rows.h"

namespace pagejit::attend {

class SplitProducts {
 public:
  /// For Specs of which splits_dims() is true.
  SplitProducts(Kernel& k, const Spec& s, const CacheRows& keys, const CacheRows& values);

  const Layout& scores_layout() const { return scores_; }  // [rows, keys], a row's keys in four lanes of one warp
  const Layout& lanes_layout() const { return lanes_; }    // [rows, 4]: one element for each of those lanes
  std::vector<Layout> sums_layouts() const;                // of the output, 64 columns each

  /// Loads the queries: `load` gives a piece of them, [rows, size].
  void hold(const std::function<Tile(const Layout&, const Piece&)>& load);
  /// Queries times the keys in a stage, as scores_layout() says, when it is the group's turn: then stage (now − 2) is
  /// free, and the present one there if threads copied it. Lets the other group have its turn, and calls `fill`, which
  /// starts copies, before it waits.
  Tile scores(const Value& stage, const std::function<void()>& fill) const;
  /// Of each row, what its weights are summed to so far: lanes_layout().
  Tile sum(const Tile& weights) const;
  /// sums[from + i] = sums[from + i] · faded + weights · V. Weights as V is multiplied with, in scores_layout(), and a
  /// factor for each row, mostly 1, in lanes_layout().slice(1). `meanwhile` is called once, amid the products.
  void add(const Tile& weights, const Tile& faded, const Value& stage, std::vector<Tile>& sums, std::size_t from,
           const std::function<void()>& meanwhile) const;

  /// How many tiles are copied before they are multiplied.
  int ahead() const { return s_.stages - 2; }
  void begin_turns() const;  // after as many copies, a barrier in it
  void end_turns() const;
  void wait_for_rest() const;  // once the first group has written rows past the sequence's end

 private:
  class Exchange;
  void wait_for_group() const;  // a barrier of its warps alone
  void await_turn() const;
  void pass_on() const;
  SharedTile::Fragments fragments(const CacheRows& rows, int number, const Layout& layout, const Value& stage) const;
  std::vector<Reg> query(int number) const;

  Kernel& k_;
  Spec s_;
  const CacheRows &keys_, &values_;
  int group_rows_, warps_;
  Value warp_, group_;
  Layout scores_, lanes_, sums_, given_;
  std::vector<Tile> queries_;               // of 64 dims each, those that registers hold
  std::vector<SharedTile> shared_queries_;  // the others
  Pointer partial_, fades_;
  SharedTile weights_;
};

}  // namespace pagejit::attend
