// What a caller says to attend over a paged cache. Included by <pagejit/attend.h>.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/attend/spec.h"
#include "kernels/common/cache_layout.h"
#include "kernels/common/tensor.h"

namespace pagejit {

namespace attend {
/// For tools that look for better numbers; 0 leaves a choice to pagejit. `rows` and `keys` change how sums are rounded,
/// the others nothing.
struct Tuning {
  int rows = 0, keys = 0, stages = 0, down = 0, across = 0, teams = 0;  // of the Spec
  int parts = 0;  // of the keys, for each KV head and tile of rows
  int least = 0;  // tiles that make it worth having another part
  int bulk = 0;   // 1: the copy engine brings rows, where it can; -1: threads do
};
}  // namespace attend

/// Attention of a few query tokens a sequence over its whole paged cache: decoding, speculative decoding, short
/// prefills.
///
///   out[i, h]  = Σ_n p_n · v[n, h'] / (Σ_n p_n + [sinks] e^(sinks[h]))       h' = h div (heads / KV heads)
///   p_n        = e^score(n);  lse[i, h] = ln Σ_n p_n, without the sink
///   score(n)   = scale · (q[i, h] · k[n, h'])                                first
///              = softcap · tanh(score / softcap)                             if softcap > 0
///              + alibi_slopes[h] · (n − position)                            if given
///
/// The queries of a sequence are its last tokens: query j of q_b stands at position L_b − q_b + j, and sees the keys n
/// with 0 ≤ n < L_b, n ≤ position if causal, and position − window_left ≤ n ≤ position + window_right (−1: no bound). A
/// row that sees nothing gives zeros, and an lse of −∞.
struct DecodeArgs {
  Tensor q;  // [tokens, heads, dim_k], f16 or bf16: the queries of all sequences, one behind the other
  Tensor
      k_cache;  // 4-D in `layout`, or 3-D [tokens, KV heads, dim_k]: pages of `page` rows without gaps. As q, or codes
  Tensor v_cache;  // as k_cache, with a head dim and strides of its own. Left out, or k_cache's own memory: V is the
                   // first elements of K's rows (MLA), as many as out has
  Tensor k_scales, v_scales;  // of a quantised cache, as in FlattenArgs
  Tensor block_table;         // [batch, columns], i32 or i64: page ids; entries past a sequence's end are never read
  Tensor lengths;             // [batch], i32 or i64: keys of each sequence, its queries' own among them
  Tensor query_indptr;        // [batch + 1], i32: first query of each sequence; left out: all have tokens / batch
  Tensor out;                 // [tokens, heads, dim_v], as q
  Tensor lse;                 // [tokens, heads], f32; may be left out
  Tensor sinks;               // [heads], f32; may be left out
  Tensor alibi_slopes;        // [heads], f32; may be left out
  Tensor workspace;           // [bytes], u8, 16-byte aligned: decode_workspace() of them; contents do not matter

  CacheLayout layout = CacheLayout::nhd;
  Quant quant = Quant::none;  // none, fp8, int8, int4
  std::int64_t page = 0;      // rows of a page, of 3-D caches only
  float scale = 0;            // 0: 1 / √dim_k
  bool causal = true;
  std::int64_t window_left = -1, window_right = -1;
  float softcap = 0;
  std::int64_t max_queries = 0;    // with query_indptr: no sequence has more of them
  bool empty_lse_pos_inf = false;  // the lse of a row that sees nothing is +∞
  /// A promise: block_table, lengths, query_indptr and fp8's scales were not written by the kernel launched just before
  /// on this stream. Then they may be read while that kernel still finishes. Queries and caches always wait for it.
  bool settled = false;

  attend::Tuning tuning = {};
};

}  // namespace pagejit
