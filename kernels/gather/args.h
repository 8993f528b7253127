// What a caller says to gather rows of a paged cache for chunked prefill. Included by <pagejit/gather.h>.
//
// Rows of the output that no sequence owns stay as they were (Tail::untouched), or become zero. `seq_starts` is in
// tokens, need not be a multiple of the page, and may be left out: sequences then begin at token 0.
#pragma once
#include "kernels/common/tensor.h"
#include "kernels/flatten/spec.h"

namespace pagejit {

/// Rows as they are, converted, or out of fp8 where `scale` is given.
struct GatherArgs {
  Tensor src;          // [pages, page, dim] or [pages, page, heads, dim]: f16, bf16, f32 or any one-byte element
  Tensor dst;          // [rows, dim] or [rows, heads, dim]: f16, bf16, f32; bytes are copied to src's own element only
  Tensor scale;        // f32 [1] or [heads]: src is e4m3 or e5m2, and dst becomes float(src) · scale
  Tensor block_table;  // [batch, columns] i32 or i64: page ids; entries past a sequence's end are never read
  Tensor cu_seq_lens;  // [batch + 1] i32: sequence b owns rows cu_seq_lens[b] … cu_seq_lens[b + 1] − 1 of dst
  Tensor seq_starts;   // [batch] i32: the token that a sequence's first row is
  flatten::Tail tail = flatten::Tail::untouched;
  bool settled = false;  // as in FlattenArgs, of the three lists
  flatten::Tuning tuning = {};
};

/// MLA's rows of 656 bytes (see FlattenMlaArgs) as rows of 576 elements.
struct GatherMlaArgs {
  Tensor src;               // [pages, page, 656] u8
  Tensor dst;               // [rows, 576] f16 or bf16
  Tensor block_table;       // as in GatherArgs
  Tensor lengths;           // [batch] i32 or i64
  Tensor workspace_starts;  // [batch] i32 or i64: the first row of each sequence; left out: the running sum of lengths
  Tensor seq_starts;        // as in GatherArgs
  flatten::Tail tail = flatten::Tail::untouched;
  bool settled = false;
  flatten::Tuning tuning = {};
};

/// The sparse indexer's planar pages: first the codes of all rows of a page, dim bytes each, then the f32 scales of all
/// of them, one for each 128 codes. A page has no gaps; only the distance of pages is free. Bytes are copied.
struct GatherIndexerArgs {
  Tensor src;          // [pages, page, dim + 4 · ceil(dim / 128)] u8; within a page the shape is nominal
  Tensor dst_k;        // [rows, dim], any one-byte element
  Tensor dst_scale;    // [rows, 4 · ceil(dim / 128)] u8, or [rows, ceil(dim / 128)] f32
  Tensor block_table;  // as in GatherArgs
  Tensor cu_seq_lens;
  Tensor seq_starts;
  flatten::Tail tail = flatten::Tail::untouched;
  bool settled = false;
  flatten::Tuning tuning = {};
};

}  // namespace pagejit
