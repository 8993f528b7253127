// What a caller says to rotate, quantise and append. Included by <pagejit/rope.h>.
#pragma once
#include "kernels/common/tensor.h"
#include "kernels/rope/spec.h"

namespace pagejit {

/// What the three calls share. All inputs are of one element type; heads of Q and of K may differ in number.
struct RopeInputs {
  Tensor q_rope;         // [tokens, query_heads, R]: f16, bf16 or f32; any strides, the last one 1
  Tensor q_nope;         // [tokens, query_heads, N], or left out: all of a head is rotated
  Tensor k_rope;         // [tokens, kv_heads, R]; [tokens, R] is one head
  Tensor k_nope;         // [tokens, kv_heads, N]; [tokens, N] is one head; left out where q_nope is
  Tensor q_rope_out;     // as q_rope: e4m3, e5m2, or the inputs' type, which quantises nothing
  Tensor q_nope_out;     // as q_nope; may be a part of the same rows as q_rope_out
  Tensor cos_sin_cache;  // [positions, R] f32: R/2 cosines, then R/2 sines
  Tensor pos_ids;        // [tokens], i32 or i64: rows of cos_sin_cache

  rope::Style style = rope::Style::neox;
  float scale_q = 1, scale_kv = 1;  // what is stored is value · scale; only where outputs are quantised
  Tensor scale_q_device;            // [1] f32; given: used in place of scale_q
  Tensor scale_kv_device;           // [1] f32; given: used in place of scale_kv

  /// A promise: pos_ids, cos_sin_cache, scales and the lists that say where tokens go were not written by the kernel
  /// launched just before on this stream. Then they are read while that kernel still finishes (programmatic dependent
  /// launch). Q, K and V are always waited for.
  bool settled = false;

  rope::Tuning tuning = {};
};

/// Where the tokens go in a paged cache: `slots`, or the four others.
struct RopePlaces {
  Tensor slots;  // [tokens], i32 or i64: page · rows a page + row; negative: padding

  Tensor batch_indices;  // [tokens], i32 or i64: the token's sequence; negative: padding
  Tensor positions;      // [tokens], of the same type: its position there; negative: padding
  Tensor kv_indptr;      // [batch + 1], of the same type: where the pages of each sequence begin in kv_indices
  Tensor kv_indices;     // [pages in use], of the same type: page ids

  Tensor valid_tokens;  // one i32, or left out: tokens from there on are padding. For captured launches

  /// What becomes of the query outputs of padding. K and V are never written for it.
  rope::Padding padding = rope::Padding::skip_all;
};

/// Dense outputs.
struct RopeQuantizeArgs : RopeInputs {
  Tensor v;           // [tokens, kv_heads, D], or left out
  Tensor k_rope_out;  // as k_rope: e4m3, e5m2, or the inputs' type
  Tensor k_nope_out;  // as k_nope; may be a part of the same rows as k_rope_out
  Tensor v_out;       // as v, of K's output type
};

/// K and V of all KV heads into a paged cache, rotated part first.
struct RopeAppendArgs : RopeInputs, RopePlaces {
  /// The order of a page's axes: nhd is [pages, page, heads, dim], hnd is [pages, heads, page, dim].
  enum class Layout : unsigned char { nhd, hnd };

  Tensor v;        // [tokens, kv_heads, D]
  Tensor k_cache;  // 4-D, R + N a head: e4m3, e5m2, or the inputs' type; any strides, the last one 1
  Tensor v_cache;  // 4-D, D a head, of the same type; strides of its own
  Layout layout = Layout::nhd;
};

/// MLA: one KV head, whose parts go to two caches; no V. A joint row [nope | rope] is two views of one cache.
struct RopeAppendMlaArgs : RopeInputs, RopePlaces {
  Tensor ckv_cache;  // [pages, page, N]: e4m3, e5m2, or the inputs' type; any strides, the last one 1
  Tensor kpe_cache;  // [pages, page, R], of the same type; strides of its own
};

}  // namespace pagejit
