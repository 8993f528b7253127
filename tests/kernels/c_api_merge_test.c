/* Merging as a C program calls it: the mean of two sides, a side that saw nothing, a token without context. */
#include "c_api_support.h"

enum { TOKENS = 3, HEADS = 1, DIM = 2 };

static const float prefix[TOKENS][DIM] = {{1, 2}, {9, 9}, {9, 9}}, suffix[TOKENS][DIM] = {{3, 4}, {5, 6}, {7, 8}};
static const float merged[TOKENS][DIM] = {{2, 3}, {5, 6}, {7, 8}};
static const float suffix_lse[TOKENS] = {1, 4, 2};

int main(void) {
  static const uint32_t bits[TOKENS] = {0x3f800000, 0x7f800000, 0}; /* 1, infinity, 0 */
  static const float rest[2] = {4, 2};
  static const unsigned char codes[TOKENS * DIM] = {0x38, 0x3c, 0x42, 0x44, 0x46, 0x48}; /* half of merged, in e4m3 */
  static const float scale[1] = {2};
  pj_merge_attn_states_args a;
  pj_context* context = emulator();
  if (context == NULL) return 1;
  NEW_ARGS(a);
  a.prefix_out = tensor(upload(context, prefix, sizeof prefix), PJ_F32, TOKENS, HEADS, DIM, -1);
  a.suffix_out = tensor(upload(context, suffix, sizeof suffix), PJ_F32, TOKENS, HEADS, DIM, -1);
  a.prefix_lse = tensor(upload(context, bits, sizeof bits), PJ_F32, HEADS, TOKENS, -1, -1);
  a.suffix_lse = tensor(upload(context, suffix_lse, sizeof suffix_lse), PJ_F32, HEADS, TOKENS, -1, -1);
  a.out = tensor(room(context, sizeof merged), PJ_F32, TOKENS, HEADS, DIM, -1);
  a.out_lse = tensor(room(context, sizeof suffix_lse), PJ_F32, HEADS, TOKENS, -1, -1);
  a.lse_axes = PJ_LSE_HEADS_TOKENS;
  a.has_context_tokens = 1, a.context_tokens = 2;
  CHECK(pj_prepare_merge_attn_states(context, &a) == PJ_OK);
  CHECK(pj_merge_attn_states(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.out.data, merged, sizeof merged));
  CHECK(holds(context, (char*)a.out_lse.data + 4, rest, sizeof rest));

  a.out = tensor(room(context, sizeof codes), PJ_E4M3, TOKENS, HEADS, DIM, -1);
  a.out_scale = list(upload(context, scale, sizeof scale), PJ_F32, 1);
  CHECK(pj_merge_attn_states(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.out.data, codes, sizeof codes));

  a.lse_axes = 2;
  CHECK_REFUSED(pj_merge_attn_states(context, &a, NULL), "args->lse_axes is 2; expected 0 or 1");
  a.lse_axes = 0;
  CHECK_REFUSED(pj_merge_attn_states(context, &a, NULL), "PJ0001: prefix_lse has 1 tokens; expected 3");
  a.lse_axes = 1, a.context_tokens = -5;
  CHECK_REFUSED(pj_merge_attn_states(context, &a, NULL), "PJ0001: context_tokens is -5");
  a.has_context_tokens = 2;
  CHECK_REFUSED(pj_merge_attn_states(context, &a, NULL), "args->has_context_tokens is 2");
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
