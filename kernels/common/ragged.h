// Which sequence owns each output row: the look-up that every gather into a ragged tensor begins with.
#pragma once
#include "compiler/kernel.h"

namespace pagejit {

/// Sequences packed along one axis: sequence b owns rows start_b … start_b + length_b − 1.
struct Ragged {
  Pointer lengths;      // [batch] i32 or i64
  Pointer starts;       // [batch] i32 or i64, in any order, gaps allowed
  bool computed;        // starts are the exclusive prefix sum of the lengths; `starts` is not read
  Value batch;          // i32
};

/// What is known of one output row, in the thread whose number it has (row r of the block in thread r).
struct RowOwner {
  Value sequence;  // i32, −1: nobody's
  Value token;     // i64: position in its sequence
  Value past_end;  // i1: at or after the end of every sequence
};

/// Looks `rows` (≤ threads of the block) output rows from `first_row` (i64) up. Every thread of the block must come here;
/// in threads at and past `rows` the answer is meaningless. Sequences that overlap: the one with the highest number.
/// One pass over all lengths a block, `threads` at a time; uses 20 bytes of shared memory a thread.
RowOwner find_owner(Kernel& k, const Ragged& ragged, const Value& first_row, const Value& rows, int threads);

}  // namespace pagejit
