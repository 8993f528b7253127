/* Rotation, quantisation and append in one. See docs/kernels/rope.md. */
#ifndef PAGEJIT_C_ROPE_H
#define PAGEJIT_C_ROPE_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PJ_ROPE_NEOX = 0, PJ_ROPE_INTERLEAVED = 1 };        /* pairs (i, i + R/2), (2i, 2i + 1) */
enum { PJ_PADDING_SKIP_ALL = 0, PJ_PADDING_ZERO_ROW = 1 }; /* the query outputs of padding: untouched, zeros */

/* Dense outputs. */
typedef struct pj_rope_quantize_args {
  uint64_t size;
  pj_tensor q_rope;          /* [tokens, query_heads, R]; f16, bf16, f32 */
  pj_tensor q_nope;          /* [tokens, query_heads, N], or left out: all of a head is rotated */
  pj_tensor k_rope;          /* [tokens, kv_heads, R], or [tokens, R] */
  pj_tensor k_nope;          /* [tokens, kv_heads, N], or [tokens, N]; left out where q_nope is */
  pj_tensor v;               /* [tokens, kv_heads, D], or left out */
  pj_tensor q_rope_out;      /* as q_rope; e4m3, e5m2, or the inputs' element: not quantised */
  pj_tensor q_nope_out;      /* as q_nope */
  pj_tensor k_rope_out;      /* as k_rope; e4m3, e5m2, or the inputs' element */
  pj_tensor k_nope_out;      /* as k_nope */
  pj_tensor v_out;           /* as v, of K's output element */
  pj_tensor cos_sin_cache;   /* [positions, R], f32: R/2 cosines, then R/2 sines */
  pj_tensor pos_ids;         /* [tokens]; i32, i64: rows of cos_sin_cache */
  pj_tensor scale_q_device;  /* [1], f32: used in place of scale_q; or left out */
  pj_tensor scale_kv_device; /* [1], f32: used in place of scale_kv; or left out */
  float scale_q;             /* what is stored is value * scale; 0 is 1 */
  float scale_kv;            /* the same, for K and V */
  int32_t style;             /* PJ_ROPE_ */
  int32_t settled;           /* not 0: pos_ids, cos_sin_cache and scales are not the work of the kernel just before */
} pj_rope_quantize_args;

/* K and V into a paged cache, the rotated part of K first. */
typedef struct pj_rope_append_args {
  uint64_t size;
  pj_tensor q_rope, q_nope, k_rope, k_nope, v;                       /* as in pj_rope_quantize_args */
  pj_tensor q_rope_out, q_nope_out;                                  /* as there */
  pj_tensor cos_sin_cache, pos_ids, scale_q_device, scale_kv_device; /* as there */
  pj_tensor k_cache; /* 4-D, R + N a head; e4m3, e5m2, or the inputs' element */
  pj_tensor v_cache; /* 4-D, D a head, of k_cache's element; strides of its own */
  pj_tensor slots;   /* [tokens]; i32, i64: page * rows a page + row, negative: padding. Left out: the next four */
  pj_tensor batch_indices; /* [tokens]; i32, i64; negative: padding */
  pj_tensor positions;     /* [tokens], as batch_indices; negative: padding */
  pj_tensor kv_indptr;     /* [batch + 1], as batch_indices: the first page of each sequence in kv_indices */
  pj_tensor kv_indices;    /* [pages], as batch_indices: page ids of all sequences */
  pj_tensor valid_tokens;  /* one i32, or left out: tokens from there on are padding */
  float scale_q, scale_kv; /* as in pj_rope_quantize_args */
  int32_t style, settled;  /* as there; the lists that say where tokens go included */
  int32_t padding;         /* PJ_PADDING_ */
  int32_t layout;          /* PJ_LAYOUT_ */
} pj_rope_append_args;

/* MLA: one KV head, whose parts go to two caches, or to two views of one. */
typedef struct pj_rope_append_mla_args {
  uint64_t size;
  pj_tensor q_rope, q_nope, k_rope, k_nope, q_rope_out, q_nope_out;  /* as in pj_rope_quantize_args */
  pj_tensor cos_sin_cache, pos_ids, scale_q_device, scale_kv_device; /* as there */
  pj_tensor ckv_cache; /* [pages, page, N]; e4m3, e5m2, or the inputs' element */
  pj_tensor kpe_cache; /* [pages, page, R], of ckv_cache's element; strides of its own */
  pj_tensor slots, batch_indices, positions, kv_indptr, kv_indices, valid_tokens; /* as in pj_rope_append_args */
  float scale_q, scale_kv;                                                        /* as in pj_rope_quantize_args */
  int32_t style, settled, padding, reserved; /* as in pj_rope_append_args; reserved: 0 */
} pj_rope_append_mla_args;

pj_status pj_rope_quantize(pj_context* context, const pj_rope_quantize_args* args, void* stream);
pj_status pj_prepare_rope_quantize(pj_context* context, const pj_rope_quantize_args* args);
pj_status pj_rope_append(pj_context* context, const pj_rope_append_args* args, void* stream);
pj_status pj_prepare_rope_append(pj_context* context, const pj_rope_append_args* args);
pj_status pj_rope_append_mla(pj_context* context, const pj_rope_append_mla_args* args, void* stream);
pj_status pj_prepare_rope_append_mla(pj_context* context, const pj_rope_append_mla_args* args);

#ifdef __cplusplus
}
#endif
#endif
