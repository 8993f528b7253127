// Scores and sums of many wide rows, by warps that split the dims of a key among themselves.
//
// A team is two groups of warps, each with rows of its own. A warp of a group multiplies all of the group's rows with
// all keys of a turn, over its part of the dims: as many of its queries as fit stay in registers, and no other warp of
// the group reads the same part of a key. Partial sums go from warp to warp through shared memory, an octet of rows to
// each, which then has whole rows of scores. Weights go to all warps of the group, each of which sums its columns of V.
//
// A turn multiplies queries with its own keys, and weights with V of the turn before. So there is one barrier a turn,
// and what lies between scores and weights is done amid products that do not wait for it. Groups know nothing of one
// another: while one waits, the other has the tensor cores.
#pragma once
#include <functional>
#include <vector>

#include "compiler/bulk.h"
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

  /// Loads the queries: `load` gives a piece of them, [rows, size]. A barrier must follow.
  void hold(const std::function<Tile(const Layout&, const Piece&)>& load);
  /// Queries times the keys in a stage. What other warps add up goes to them, what this one does is the result.
  /// `turns`: how many times it has been called before.
  std::vector<Reg> multiply(const Value& stage, const Value& turns) const;
  /// What was given for a tile, once multiply or wait_for_given has come after it: a factor for each row of the sums,
  /// and whether any of them is not 1.
  struct Fading {
    Tile factor;
    Value any;
  };
  Fading fading(const Value& tile) const;
  void wait_for_given(const Value& turns) const;
  /// The turn's scores, in steps, the first of which is the group's barrier: whole sums, as scores_layout() says.
  /// `own`: what multiply gave.
  std::vector<std::function<void()>> scores(const std::vector<Reg>& own, Tile& sums) const;
  /// Hands on the turn's weights, as V is multiplied with and in scores_layout(), and what each row's sums fade by
  /// before they are added to, in lanes_layout().slice(1).
  void give(const Value& tile, const Tile& weights, const Tile& faded) const;
  /// Of each row, what its weights are summed to so far: lanes_layout().
  Tile sum(const Tile& weights) const;
  /// sums[from + i] = sums[from + i] · faded + weights · V, of what was given for a tile whose V is in `stage`; they
  /// fade first. What is in `between` is called amid the products.
  void add(const Value& tile, const Value& stage, const Fading& fading, std::vector<Tile>& sums, std::size_t from,
           const std::vector<std::function<void()>>& between) const;

  /// 64 columns of the output, the `number`th, as rows are written fastest; given in a layout of sums_layouts().
  Tile by_rows(const Tile& out, std::size_t number) const;

  /// How many tiles are copied before they are multiplied: V of the turn before is in use still.
  int ahead() const { return s_.stages - 2; }
  void wait_for_rest() const;  // once the first group has written rows past the sequence's end

 private:
  class Exchange;
  void wait_for_group() const;  // a barrier of its warps alone
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
  Pointer partial_;
  StageBarriers gifts_;  // of a group: weights are there, and partial sums have been read
  Pointer fades_;
  SharedTile weights_;
};

}  // namespace pagejit::attend
