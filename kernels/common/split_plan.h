// Which part of a batch each team works on: split-KV without a schedule in memory.
//
// Sequence b is tiles_b tiles of `keys` neighbouring keys, at least one if it has queries. The tiles of all sequences
// stand behind one another, T in all, and part p of P has those from first(p) up to first(p + 1), equal numbers but for
// one; where that would be less than `least` tiles, as many each as long as there are any. A sequence that lies in one
// part is finished there; the others are merged, part by part in order. All of it follows from the lengths, so every
// kernel that needs it works it out for itself: nothing is stale in a captured graph.
#pragma once
#include "compiler/kernel.h"

namespace pagejit {

/// What the plan is made of.
struct SplitBatch {
  Pointer lengths;  // [batch] i32 or i64: keys of each sequence; a negative one counts as 0
  Pointer indptr;   // [batch + 1] i32: first query of each sequence; not read if every sequence has `queries`
  bool ragged = false;
  Value batch, queries;  // i32
  bool window = false;   // keys more than `left` before a sequence's first query are left out
  Value left;            // i32
  int keys = 16;         // of a tile
  Value parts, least;    // i32: how many parts at most, and of how many tiles at least; the product below 2^31
};

/// One sequence: what all its queries and keys are counted by.
struct SplitSequence {
  Value length, queries;  // i32, never negative
  Value first_query;      // its first row of the query tensor
  Value first_tile;       // keys before first_tile · keys are seen by no query
  Value tiles;            // from there on; 0 where there is no query
};

class SplitPlan {
 public:
  /// Emits the sum over all sequences. Called by whole warps, as is all of this; each warp works for itself.
  SplitPlan(Kernel& k, const SplitBatch& batch);

  SplitSequence sequence(const Value& b) const;
  /// The first tile of a part; that of part `parts` is the number of tiles.
  Value first(const Value& part) const;
  /// The part that has the tile.
  Value part_of(const Value& tile) const;

  /// The sequences that tiles `from` … `to` − 1 are of, and the first tile of the first of them. None: last < first.
  struct Found {
    Value first, last, start;
  };
  Found find(const Value& from, const Value& to) const;
  /// The first tile of sequence `b`.
  Value start_of(const Value& b) const;

 private:
  Value tiles_of(const Value& sequence, const Value& live) const;

  Kernel& k_;
  SplitBatch batch_;
  Value ends_;                   // of the first sequences, one a lane: the first tile after each
  Value total_, size_, longer_;  // tiles; of a part, rounded down; how many parts have one more
};

}  // namespace pagejit
