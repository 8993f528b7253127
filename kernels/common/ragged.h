// Which sequence owns each output row: the look-up that every gather into a ragged tensor begins with.
#pragma once
#include <functional>

#include "compiler/kernel.h"

namespace pagejit {

/// Sequences packed along one axis: sequence b owns rows start_b … start_b + length_b − 1. Rows are numbered in 31
/// bits: what lies past them is past every output too. A negative length counts as 0; a negative start owns nothing.
struct Ragged {
  Pointer lengths;      // [batch] i32 or i64
  Pointer starts;       // [batch] i32 or i64, in any order, gaps allowed
  bool computed;        // starts are the exclusive prefix sum of the lengths; `starts` is not read
  Value batch;          // i32
  bool indptr = false;  // starts are [batch + 1], a sequence ends where the next one starts; `lengths` is not read
};

/// What is known of one output row, in the thread whose number it has (row r of the block in thread r).
struct RowOwner {
  Value sequence;  // i32, −1: nobody's
  Value token;     // i32: position in its sequence
  Value past_end;  // i1: at or after the end of every sequence
  Value note;      // i32: what `note` said of the sequence; empty without one
};

/// Looks up the block's `rows` output rows from `first_row` (i32) up, thread r row r. Called by whole warps, any number
/// of them: a warp finds the owners of its own 32 rows by itself, without shared memory or barriers, 32 sequences a
/// turn. In threads at and past `rows` the answer is meaningless. Sequences that overlap: the one with the highest
/// number. `note` gives an i32 for a sequence, from its length (i32) and what it loads itself where `live`: under way
/// beside the lengths, not after them.
using Note = std::function<Value(const Value& sequence, const Value& live, const Value& length)>;
RowOwner find_owner(Kernel& k, const Ragged& ragged, const Value& first_row, const Value& rows, const Note& note = {});

/// A row number or a count of rows, no less than `least`, from whatever it is stored as: i32.
Value row_number(const Value& stored, std::int64_t least);

}  // namespace pagejit
