#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

MergeArgs args_of(const pj_merge_attn_states_args* given) {
  static_assert(PJ_LSE_TOKENS_HEADS == int(LseAxes::tokens_heads) && PJ_LSE_HEADS_TOKENS == int(LseAxes::heads_tokens));
  pj_merge_attn_states_args a = known_part(given, "args");
  MergeArgs r;
  r.prefix_out = tensor_of(a.prefix_out);
  r.suffix_out = tensor_of(a.suffix_out);
  r.prefix_lse = tensor_of(a.prefix_lse);
  r.suffix_lse = tensor_of(a.suffix_lse);
  r.out = tensor_of(a.out);
  r.out_lse = tensor_of(a.out_lse);
  r.out_scale = tensor_of(a.out_scale);
  r.context_tokens_device = tensor_of(a.context_tokens_device);
  if (choice<int>(a.has_context_tokens, "has_context_tokens") != 0) r.context_tokens = a.context_tokens;
  r.lse_axes = choice<LseAxes>(a.lse_axes, "lse_axes");
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(merge_attn_states)
