/* Two attentions over different keys as one. See docs/kernels/merge.md. */
#ifndef PAGEJIT_C_MERGE_H
#define PAGEJIT_C_MERGE_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  PJ_LSE_TOKENS_HEADS = 0,
  PJ_LSE_HEADS_TOKENS = 1
}; /* the axes of lse tensors: [tokens, heads], [heads, tokens] */

/* An lse of either infinity says that a side saw no key; its row, NaN included, then counts nothing. */
typedef struct pj_merge_attn_states_args {
  uint64_t size;
  pj_tensor prefix_out;            /* [tokens, heads, dim]; f16, bf16, f32 */
  pj_tensor suffix_out;            /* as prefix_out */
  pj_tensor prefix_lse;            /* f32, natural logs; axes as lse_axes says, any strides */
  pj_tensor suffix_lse;            /* as prefix_lse */
  pj_tensor out;                   /* as suffix_out, or e4m3, e5m2; may be one of the inputs, with its strides */
  pj_tensor out_lse;               /* as prefix_lse, memory of its own; or left out */
  pj_tensor out_scale;             /* [1], f32, of an fp8 out: codes are out * (1 / scale), saturated; left out: 1 */
  pj_tensor context_tokens_device; /* [1], i32: used in place of context_tokens; or left out */
  int64_t context_tokens;          /* tokens from here on take the suffix as it is; see has_context_tokens */
  int32_t has_context_tokens;      /* 0: context_tokens is not looked at, every token has a prefix */
  int32_t lse_axes;                /* PJ_LSE_ */
} pj_merge_attn_states_args;

pj_status pj_merge_attn_states(pj_context* context, const pj_merge_attn_states_args* args, void* stream);
pj_status pj_prepare_merge_attn_states(pj_context* context, const pj_merge_attn_states_args* args);

#ifdef __cplusplus
}
#endif
#endif
