/* flatten: the pages of every sequence gathered into one contiguous K and V. See docs/kernels/flatten.md. */
#ifndef PAGEJIT_C_FLATTEN_H
#define PAGEJIT_C_FLATTEN_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PJ_OUT_SHD = 0, PJ_OUT_HSD = 1 };          /* [out_rows, heads, dim], [heads, out_rows, dim] */
enum { PJ_TAIL_ZERO = 0, PJ_TAIL_UNTOUCHED = 1 }; /* output rows after the last sequence */

typedef struct pj_flatten_args {
  uint64_t size;
  pj_tensor k_cache;           /* 4-D; f16, bf16, f32, or the codes of quant */
  pj_tensor v_cache;           /* as k_cache, save for its head dim and strides */
  pj_tensor k_out;             /* 3-D; f16, bf16, f32 */
  pj_tensor v_out;             /* left out, or k_out's memory: V is a prefix of K and is not copied */
  pj_tensor block_table;       /* [batch, columns]; i32, i64 */
  pj_tensor lengths;           /* [batch]; i32, i64 */
  pj_tensor start_loc;         /* [batch]; i32, i64; left out: the running sum of lengths */
  int32_t layout;              /* PJ_LAYOUT_ */
  int32_t out;                 /* PJ_OUT_ */
  int32_t tail;                /* PJ_TAIL_ */
  int32_t zero_gaps;           /* not 0: rows between sequences are zeroed too */
  const int64_t* host_lengths; /* null, or [batch] lengths that the host knows: checked one by one */
  int32_t settled;             /* not 0: table, lengths and starts are not the work of the kernel just before */
  int32_t quant;               /* PJ_QUANT_ */
  pj_tensor k_scales;          /* of a quantised cache: fp8: f32 [1] or [heads]; else in the cache's axes */
  pj_tensor v_scales;          /* as k_scales; left out where v_cache is a prefix of k_cache */
} pj_flatten_args;

/* MLA's rows of 656 bytes: 512 elements in e4m3, four f32 scales, 64 elements of the output's type. */
typedef struct pj_flatten_mla_args {
  uint64_t size;
  pj_tensor cache;                           /* [pages, page, heads, 656], u8 */
  pj_tensor out;                             /* [out_rows, heads, 576] or [heads, out_rows, 576]; f16, bf16 */
  pj_tensor block_table, lengths, start_loc; /* as in pj_flatten_args */
  int32_t out_layout;                        /* PJ_OUT_ */
  int32_t tail, zero_gaps, settled;          /* as in pj_flatten_args */
} pj_flatten_mla_args;

pj_status pj_flatten(pj_context* context, const pj_flatten_args* args, void* stream);
pj_status pj_prepare_flatten(pj_context* context, const pj_flatten_args* args);
pj_status pj_flatten_mla(pj_context* context, const pj_flatten_mla_args* args, void* stream);
pj_status pj_prepare_flatten_mla(pj_context* context, const pj_flatten_mla_args* args);

#ifdef __cplusplus
}
#endif
#endif
