// What a caller says to write new rows into a paged cache. Included by <pagejit/append.h>.
#pragma once
#include "kernels/append/spec.h"
#include "kernels/common/cache_layout.h"
#include "kernels/common/quant.h"
#include "kernels/common/tensor.h"

namespace pagejit {

/// What all writers of K and V have in common: the rows, the caches, and how they are quantised.
struct AppendRows {
  Tensor k;        // [tokens, heads, dim], f16, bf16 or f32 (unquantised: also e4m3, e5m2, u8); the last stride 1
  Tensor v;        // as k in all but its head dim and its strides; left out: K alone
  Tensor k_cache;  // 4-D; any strides, the last one 1. Packed codes: dim / 2 (int4, turbo K) or dim / 4 (turbo V) bytes
  Tensor v_cache;  // as k_cache in all but its head dim, its strides and its codes
  /// int8, int4: (scale, zero) [pages, page, heads, 2], in the order of the cache's axes; turbo: the last dim 2 for K,
  /// 1 for V; all of these f16, bf16 or f32 and written. fp8_group: f32 [pages, page, heads, groups], written. fp8:
  /// f32, one number or [heads], read.
  Tensor k_scales, v_scales;

  // MLA's rows of 656 bytes (512 e4m3, four f32 scales, 64 elements of 16 bits as they are): quant fp8_group, k of 512
  // and v of 64 elements a head, f16 or bf16, k_cache u8 with 656 bytes a row; v_cache and the scales left out.

  Quant quant = Quant::none;                  // turbo4: K turbo4, V turbo2
  ScaleRule scale_rule = ScaleRule::blocked;  // of fp8_group
  bool power_of_two = false;                  // scales of fp8_group are rounded up to one
  CacheLayout layout = CacheLayout::nhd;

  Tensor valid_tokens;  // one i32, or left out: tokens from there on are written nowhere
  append::Tuning tuning = {};
};

/// Sequences packed along the tokens: row i of sequence b goes to position kv_lengths[b] − length_b + i. Positions
/// below 0 are skipped.
struct FillArgs : AppendRows {
  Tensor block_table;  // [batch, columns], i32 or i64: page ids; only entries of pages that are written are read
  Tensor kv_lengths;   // [batch], i32 or i64, the new tokens included
  Tensor q_lengths;    // [batch], as kv_lengths; how many tokens of k are the sequence's
  Tensor q_start_loc;  // [batch], as kv_lengths; left out: the exclusive prefix sum of q_lengths, made on the device
  Tensor q_indptr;     // [batch + 1], as kv_lengths; in place of q_lengths and q_start_loc
  /// A promise: the lists were not written by the kernel launched just before on this stream. Then they are read while
  /// that kernel still finishes (programmatic dependent launch). Rows and caches always wait for it.
  bool settled = false;
  // V at K's own memory with no larger head dim (MLA: V is a prefix of K) is not written twice, unless quantised by
  // turbo.
};

/// Row i goes to position positions[i] of sequence batch_indices[i]; either below 0: skipped.
struct AppendArgs : AppendRows {
  Tensor batch_indices, positions;  // [tokens], i32
  Tensor kv_indptr, kv_indices;     // [batch + 1], [entries], i32: page ids of all sequences behind one another
};

/// Row i goes to slot slots[i] = page · rows a page + row; below 0: skipped. There are as many tokens as slots.
struct ReshapeAndCacheArgs : AppendRows {
  Tensor slots;  // [tokens], i64 or i32
};

/// The two parts of an MLA row, unquantised, into two caches or the two parts of one.
struct AppendMlaArgs {
  Tensor ckv, kpe;                                                       // [tokens, N], [tokens, R]
  Tensor ckv_cache, kpe_cache;                                           // [pages, page, N], [pages, page, R]
  Tensor joint_cache;                                                    // [pages, page, N + R], in place of those two
  Tensor batch_indices, positions, kv_indptr, kv_indices, valid_tokens;  // as in AppendArgs
  append::Tuning tuning = {};
};

/// The two parts of an MLA row into one row: as they are, with one fp8 scale, or as 656 bytes (512 e4m3, four f32
/// scales, 64 elements of 16 bits as they are).
struct ConcatMlaArgs {
  Tensor kv_c, k_pe;  // [tokens, N], [tokens, R]; 656 bytes: N = 512, R = 64, f16 or bf16
  Tensor kv_cache;    // [pages, page, N + R]: kv_c's element, or e4m3 or e5m2; 656 bytes: u8 [pages, page, 656]
  Tensor scale;       // fp8: one f32
  Tensor slots;       // as in ReshapeAndCacheArgs
  Tensor valid_tokens;
  ScaleRule scale_rule = ScaleRule::mla;  // of the 656 bytes
  bool power_of_two = false;
  append::Tuning tuning = {};
};

/// The sparse indexer's K: each page holds its rows' codes, then its rows' scales.
struct IndexerArgs {
  Tensor k;      // [tokens, dim], f16, bf16 or f32
  Tensor cache;  // u8 [pages, page, dim + 4 · groups], contiguous inside a page: [page, dim] e4m3, [page, groups] f32
  Tensor slots;  // as in ReshapeAndCacheArgs
  Tensor valid_tokens;
  ScaleRule scale_rule = ScaleRule::indexer;
  bool power_of_two = true;
  append::Tuning tuning = {};
};

}  // namespace pagejit
