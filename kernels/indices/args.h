// What a caller says to have index lists made on the device. Included by <pagejit/indices.h>.
#pragma once
#include <cstdint>

#include "kernels/common/tensor.h"
#include "kernels/indices/spec.h"

namespace pagejit {

/// The sequence and position of each token of a ragged batch. Tokens that no sequence owns get −1 and 0: all outputs
/// may be larger than the batch, as in a captured launch.
struct BatchPositionsArgs {
  Tensor append_indptr;  // [batch + 1], i32: the first token of each sequence, and the end of the last; ascending
  Tensor seq_lens;       // [batch], i32: lengths after the append
  Tensor batch_indices;  // [tokens], i32, written
  Tensor positions;      // [tokens], i32, written; negative where a sequence is shorter than what it appends
};

/// Lengths of sequences whose pages stand behind one another. A sequence without pages has length 0.
struct SeqLensArgs {
  Tensor kv_indptr;         // [batch + 1], i32: the first page of each sequence, and the end of the last
  Tensor kv_last_page_len;  // [batch], i32: rows used of each last page
  std::int64_t page = 0;    // rows of a page
  Tensor seq_lens;          // [batch], i32, written
};

/// The slot of each token: page · rows a page + row; −1 where its sequence, position or page id is negative.
struct SlotMappingArgs {
  Tensor batch_indices;   // [tokens], i32
  Tensor positions;       // [tokens], i32
  Tensor block_table;     // [batch, columns] page ids, i32 or i64; or left out, and then
  Tensor kv_indptr;       // [batch + 1], i32: the first page of each sequence in
  Tensor kv_indices;      // [pages], i32 or i64: page ids of all sequences
  std::int64_t page = 0;  // rows of a page
  Tensor slots;           // [tokens], i32 or i64, written
};

/// Where each sequence begins if all stand behind one another: the exclusive running sum of lengths. A negative length
/// counts as 0; sums that an i32 cannot hold stop at the largest one.
struct StartOffsetsArgs {
  Tensor lengths;  // [batch], i32 or i64; one beyond 2^31 − 1 counts as that
  Tensor starts;   // [batch], or [batch + 1] with the sum of all at the end; i32 or i64, written
};

}  // namespace pagejit
