// Which part of a batch each team works on: split-KV without a schedule in memory.
//
// Sequence b is tiles_b tiles of `keys` neighbouring keys, at least one if it has queries. The tiles of all sequences
// stand behind one another, T in all, and part p of P has those from first(p) up to first(p + 1), equal numbers but for
// one; where that would be less than `least` tiles, as many each as long as there are any. A sequence that lies in one
// part is finished there; the others are merged, part by part in order. All of it follows from the lengths, so every
// kernel that needs it works it out for itself: nothing is stale in a captured graph.
#pragma once
#include <vector>

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

/// What the lists say of sequences: i32, never negative.
struct SplitLists {
  Value length;
  Value first_query, end_query;  // ragged
};

/// The sequences of a batch. What the lists say of the first 32 is in registers: of one in each lane.
class SplitSequences {
 public:
  static constexpr int lanes = 32;

  /// Loads the lists' beginnings.
  SplitSequences(Kernel& k, const SplitBatch& batch);
  /// They are known: `first`, zeros past the end of the batch.
  SplitSequences(Kernel& k, const SplitBatch& batch, const SplitLists& first);
  /// Loads them as memory has them now, whoever writes there; zeros where not `live` (i1).
  static SplitLists load_now(Kernel& k, const SplitBatch& batch, const Value& live);

  const SplitBatch& batch() const { return batch_; }
  /// Sequence `b`, the same one in all lanes.
  SplitSequence sequence(const Value& b) const;
  /// Tiles of each lane's own sequence: of the first 32, or `b` of the others where `live`; else 0.
  Value first_tiles() const;
  Value other_tiles(const Value& b, const Value& live) const;

 private:
  SplitSequence sized(const Value& b, const SplitLists& lists) const;

  Kernel& k_;
  SplitBatch batch_;
  SplitLists first_;
};

/// Tiles `from` … `to` − 1: they are of sequences `first` … `last`, the first tile of the first of them is `start`. No
/// tiles: last < first.
struct SplitPart {
  Value from, to, first, last, start;
};

class SplitPlan {
 public:
  /// Emits the sum over all sequences. Called by whole warps, as is all of this; each warp works for itself.
  SplitPlan(Kernel& k, const SplitSequences& sequences);
  SplitPlan(Kernel& k, const SplitBatch& batch) : SplitPlan(k, SplitSequences(k, batch)) {}

  SplitSequence sequence(const Value& b) const { return sequences_.sequence(b); }
  SplitPart part(const Value& number) const;
  /// The part that has the tile.
  Value part_of(const Value& tile) const;
  /// The first tile of sequence `b`.
  Value start_of(const Value& b) const;

 private:
  Value first(const Value& part) const;
  /// Sequences from `first` on and before `end`: one in each lane, and so many lanes' further on.
  struct Others {
    Value live, tiles;
  };
  std::vector<Others> others(const Value& first, const Value& end) const;

  Kernel& k_;
  SplitSequences sequences_;
  Value ends_;                   // of the first sequences, one a lane: the first tile after each
  Value total_, size_, longer_;  // tiles; of a part, rounded down; how many parts have one more
};

}  // namespace pagejit
