/* Attention of a few queries a sequence over a paged cache. See docs/kernels/attend.md. */
#ifndef PAGEJIT_C_ATTEND_H
#define PAGEJIT_C_ATTEND_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The queries of a sequence are its last tokens; a row that sees no key gives zeros, and an lse of minus infinity.
 * Strides are any positive ones, the last one 1; those of K and V are independent. */
typedef struct pj_decode_attention_args {
  uint64_t size;
  pj_tensor q;       /* [tokens, heads, dim_k]; f16, bf16: the queries of all sequences, one behind the other */
  pj_tensor k_cache; /* 4-D as layout says, or 3-D [tokens, kv_heads, dim_k]: pages of `page` rows without gaps. As q,
                        or codes of quant */
  pj_tensor v_cache; /* as k_cache, dim_v a head. Left out, or k_cache's own memory: the first dim_v elements of K's
                        rows (MLA) */
  pj_tensor k_scales, v_scales; /* of a quantised cache, as in pj_flatten_args; else left out */
  pj_tensor block_table;        /* [batch, columns]; i32, i64: page ids; none past a sequence's end is read */
  pj_tensor lengths;            /* [batch]; i32, i64: keys of each sequence, its queries' own among them */
  pj_tensor query_indptr;       /* [batch + 1], i32: first query of each sequence; left out: tokens / batch each */
  pj_tensor out;                /* [tokens, heads, dim_v], as q, written */
  pj_tensor lse;                /* [tokens, heads], f32, natural logs, either axis contiguous, written; or left out */
  pj_tensor sinks;              /* [heads], f32: a logit without a value; or left out */
  pj_tensor alibi_slopes;       /* [heads], f32: of (key - query) in tokens; or left out */
  pj_tensor workspace;          /* [bytes], u8, 16-byte aligned: pj_decode_workspace() of them */
  int64_t page;                 /* rows of a page, of 3-D caches; else 0 */
  int64_t max_queries;          /* with query_indptr: no sequence has more; else 0 */
  int64_t window_left;          /* keys further back are not seen; see has_window */
  int64_t window_right;         /* keys further ahead are not seen; without not_causal none is */
  float scale;                  /* of scores; 0: 1 / sqrt(dim_k) */
  float softcap;                /* scores become softcap * tanh(score / softcap); 0: they do not */
  int32_t layout;               /* PJ_LAYOUT_ */
  int32_t quant;                /* PJ_QUANT_ */
  int32_t has_window;           /* PJ_WINDOW_: which of the two bounds there are */
  int32_t not_causal;           /* not 0: queries see keys after their own, too */
  int32_t empty_lse_pos_inf;    /* not 0: the lse of a row that sees no key is plus infinity */
  int32_t settled;              /* not 0: lengths, query_indptr, block_table and scales are not the work of the kernel
                                   just before */
} pj_decode_attention_args;

enum { PJ_WINDOW_NONE = 0, PJ_WINDOW_LEFT = 1, PJ_WINDOW_RIGHT = 2, PJ_WINDOW_BOTH = 3 };

/* Two kernels: the second puts the parts together that the keys were split into. A stream that captures needs both
 * prepared. */
pj_status pj_decode_attention(pj_context* context, const pj_decode_attention_args* args, void* stream);
pj_status pj_prepare_decode_attention(pj_context* context, const pj_decode_attention_args* args);
/* How many bytes of workspace the call needs: a matter of its shapes and of the device, not of lengths. args->workspace
 * is not looked at, and its contents matter to no call. */
pj_status pj_decode_workspace(pj_context* context, const pj_decode_attention_args* args, size_t* bytes);

#ifdef __cplusplus
}
#endif
#endif
