/* Rows of a paged cache gathered for chunked prefill. See docs/kernels/gather.md. */
#ifndef PAGEJIT_C_GATHER_H
#define PAGEJIT_C_GATHER_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows as they are, converted, or out of fp8 where scale is given. */
typedef struct pj_gather_cache_args {
  uint64_t size;
  pj_tensor src;         /* [pages, page, dim] or [pages, page, heads, dim]; f16, bf16, f32 or one-byte elements */
  pj_tensor dst;         /* [rows, dim] or [rows, heads, dim]; f16, bf16, f32, or src's own element */
  pj_tensor scale;       /* f32, [1] or [heads]: src is e4m3 or e5m2, and dst becomes src * scale */
  pj_tensor block_table; /* [batch, columns]; i32, i64 */
  pj_tensor cu_seq_lens; /* [batch + 1], i32: the first row of each sequence in dst, and the end of the last */
  pj_tensor seq_starts;  /* [batch], i32: the token that a sequence's first row is; left out: 0 */
  int32_t zero_tail;     /* not 0: rows of dst after the last sequence are zeroed; else they stay as they were */
  int32_t settled;       /* not 0: the lists are not the work of the kernel just before */
} pj_gather_cache_args;

/* MLA's rows of 656 bytes as rows of 576 elements. */
typedef struct pj_gather_mla_args {
  uint64_t size;
  pj_tensor src;              /* [pages, page, 656], u8 */
  pj_tensor dst;              /* [rows, 576]; f16, bf16 */
  pj_tensor block_table;      /* [batch, columns]; i32, i64 */
  pj_tensor lengths;          /* [batch]; i32, i64 */
  pj_tensor workspace_starts; /* [batch]; i32, i64: the first row of each sequence; left out: the running sum */
  pj_tensor seq_starts;       /* as in pj_gather_cache_args */
  int32_t zero_tail, settled; /* as in pj_gather_cache_args */
} pj_gather_mla_args;

/* The sparse indexer's pages, each its rows' codes and then its rows' scales, as rows of codes and of scales. */
typedef struct pj_gather_indexer_args {
  uint64_t size;
  pj_tensor src;       /* [pages, page, dim + 4 a group of 128], u8; contiguous inside a page */
  pj_tensor dst_k;     /* [rows, dim]; one-byte elements */
  pj_tensor dst_scale; /* [rows, 4 a group], u8, or [rows, groups], f32 */
  pj_tensor block_table, cu_seq_lens, seq_starts; /* as in pj_gather_cache_args */
  int32_t zero_tail, settled;                     /* as in pj_gather_cache_args */
} pj_gather_indexer_args;

pj_status pj_gather_cache(pj_context* context, const pj_gather_cache_args* args, void* stream);
pj_status pj_prepare_gather_cache(pj_context* context, const pj_gather_cache_args* args);
pj_status pj_gather_mla(pj_context* context, const pj_gather_mla_args* args, void* stream);
pj_status pj_prepare_gather_mla(pj_context* context, const pj_gather_mla_args* args);
pj_status pj_gather_indexer(pj_context* context, const pj_gather_indexer_args* args, void* stream);
pj_status pj_prepare_gather_indexer(pj_context* context, const pj_gather_indexer_args* args);

#ifdef __cplusplus
}
#endif
#endif
