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
  pj_tensor k_cache;           /* 4-D; f16, bf16, f32 */
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
  int32_t reserved;            /* 0 */
} pj_flatten_args;

pj_status pj_flatten(pj_context* context, const pj_flatten_args* args, void* stream);
pj_status pj_prepare_flatten(pj_context* context, const pj_flatten_args* args);

#ifdef __cplusplus
}
#endif
#endif
