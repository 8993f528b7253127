/* New rows into a paged cache, quantised on the way. See docs/kernels/append.md. */
#ifndef PAGEJIT_C_APPEND_H
#define PAGEJIT_C_APPEND_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the f32 scale of 128 neighbours follows from their largest magnitude a. */
enum {
  PJ_SCALE_RULE_DEFAULT = 0, /* what the call's name stands for: fill, append and reshape blocked, the others theirs */
  PJ_SCALE_RULE_BLOCKED = 1, /* max(a, 1e-6) * (1 / 448), the quotient rounded to f32 */
  PJ_SCALE_RULE_MLA = 2,     /* max(a / 448, 2^-126) */
  PJ_SCALE_RULE_INDEXER = 3  /* max(a, 1e-4) / 448 */
};

/* Sequences packed along the tokens: the last new token of each gets the last position of kv_lengths. */
typedef struct pj_fill_kv_cache_args {
  uint64_t size;
  pj_tensor k;            /* [tokens, heads, dim]; f16, bf16, f32 (unquantised also e4m3, e5m2, u8) */
  pj_tensor v;            /* as k, save for its head dim and strides; left out: K alone */
  pj_tensor k_cache;      /* 4-D; of k's or another float element, or the codes of quant. MLA's rows of 656 bytes: u8, the
                             last dim 656, quant fp8_group, k 512 and v 64 wide; v_cache and scales left out */
  pj_tensor v_cache;      /* as k_cache, save for its head dim, strides and codes */
  pj_tensor k_scales;     /* of a quantised cache, in its axes; fp8: f32, one or [heads] */
  pj_tensor v_scales;     /* as k_scales */
  pj_tensor valid_tokens; /* one i32, or left out: tokens from there on are written nowhere */
  pj_tensor block_table;  /* [batch, columns]; i32, i64 */
  pj_tensor kv_lengths;   /* [batch]; i32, i64: the new tokens included */
  pj_tensor q_lengths;    /* [batch], as kv_lengths: new tokens of each sequence */
  pj_tensor q_start_loc;  /* [batch], as kv_lengths; left out: the running sum of q_lengths */
  pj_tensor q_indptr;     /* [batch + 1], as kv_lengths; in place of q_lengths and q_start_loc */
  int32_t layout;         /* PJ_LAYOUT_ */
  int32_t quant;          /* PJ_QUANT_ */
  int32_t scale_rule;     /* PJ_SCALE_RULE_, of fp8_group */
  int32_t power_of_two;   /* not 0: scales of fp8_group are rounded up to one */
  int32_t settled;        /* not 0: the lists are not the work of the kernel just before */
  int32_t reserved;       /* 0 */
} pj_fill_kv_cache_args;

/* A sequence and a position for each token; either below 0: skipped. */
typedef struct pj_append_args {
  uint64_t size;
  pj_tensor k, v, k_cache, v_cache, k_scales, v_scales, valid_tokens; /* as in pj_fill_kv_cache_args */
  pj_tensor batch_indices;                                            /* [tokens], i32 */
  pj_tensor positions;                                                /* [tokens], i32 */
  pj_tensor kv_indptr;  /* [batch + 1], i32: the first page of each sequence in kv_indices */
  pj_tensor kv_indices; /* [pages], i32: page ids of all sequences */
  int32_t layout, quant, scale_rule, power_of_two;
} pj_append_args;

/* A slot for each token: page * rows a page + row; below 0: skipped. There are as many tokens as slots. */
typedef struct pj_reshape_and_cache_args {
  uint64_t size;
  pj_tensor k, v, k_cache, v_cache, k_scales, v_scales, valid_tokens; /* as in pj_fill_kv_cache_args */
  pj_tensor slots;                                                    /* [tokens]; i64, i32 */
  int32_t layout, quant, scale_rule, power_of_two;
} pj_reshape_and_cache_args;

/* The two parts of an MLA row, as they are. */
typedef struct pj_append_mla_args {
  uint64_t size;
  pj_tensor ckv;         /* [tokens, N] */
  pj_tensor kpe;         /* [tokens, R] */
  pj_tensor ckv_cache;   /* [pages, page, N] */
  pj_tensor kpe_cache;   /* [pages, page, R] */
  pj_tensor joint_cache; /* [pages, page, N + R], in place of those two */
  pj_tensor batch_indices, positions, kv_indptr, kv_indices, valid_tokens; /* as in pj_append_args */
} pj_append_mla_args;

/* The two parts of an MLA row into one: as they are, with one fp8 scale, or as 656 bytes. */
typedef struct pj_concat_and_cache_mla_args {
  uint64_t size;
  pj_tensor kv_c;     /* [tokens, N]; 656 bytes: N = 512 */
  pj_tensor k_pe;     /* [tokens, R]; 656 bytes: R = 64 */
  pj_tensor kv_cache; /* [pages, page, N + R]; kv_c's element, e4m3, e5m2. 656 bytes: u8 [pages, page, 656] */
  pj_tensor scale;    /* fp8: one f32 */
  pj_tensor slots, valid_tokens; /* as in pj_reshape_and_cache_args */
  int32_t scale_rule;            /* PJ_SCALE_RULE_, of the 656 bytes */
  int32_t power_of_two;          /* not 0: scales of the 656 bytes are rounded up to one */
} pj_concat_and_cache_mla_args;

/* The sparse indexer's K: each page holds its rows' codes, then its rows' scales. */
typedef struct pj_indexer_quant_and_cache_args {
  uint64_t size;
  pj_tensor k;                   /* [tokens, dim]; f16, bf16, f32 */
  pj_tensor cache;               /* u8 [pages, page, dim + 4 a group of 128], contiguous inside a page */
  pj_tensor slots, valid_tokens; /* as in pj_reshape_and_cache_args */
  int32_t scale_rule;            /* PJ_SCALE_RULE_ */
  int32_t any_scale;             /* not 0: scales are not rounded up to powers of two, as they are otherwise */
} pj_indexer_quant_and_cache_args;

pj_status pj_fill_kv_cache(pj_context* context, const pj_fill_kv_cache_args* args, void* stream);
pj_status pj_prepare_fill_kv_cache(pj_context* context, const pj_fill_kv_cache_args* args);
pj_status pj_append(pj_context* context, const pj_append_args* args, void* stream);
pj_status pj_prepare_append(pj_context* context, const pj_append_args* args);
pj_status pj_reshape_and_cache(pj_context* context, const pj_reshape_and_cache_args* args, void* stream);
pj_status pj_prepare_reshape_and_cache(pj_context* context, const pj_reshape_and_cache_args* args);
pj_status pj_append_mla(pj_context* context, const pj_append_mla_args* args, void* stream);
pj_status pj_prepare_append_mla(pj_context* context, const pj_append_mla_args* args);
pj_status pj_concat_and_cache_mla(pj_context* context, const pj_concat_and_cache_mla_args* args, void* stream);
pj_status pj_prepare_concat_and_cache_mla(pj_context* context, const pj_concat_and_cache_mla_args* args);
pj_status pj_indexer_quant_and_cache(pj_context* context, const pj_indexer_quant_and_cache_args* args, void* stream);
pj_status pj_prepare_indexer_quant_and_cache(pj_context* context, const pj_indexer_quant_and_cache_args* args);

#ifdef __cplusplus
}
#endif
#endif
