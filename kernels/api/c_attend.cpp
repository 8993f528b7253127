#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

DecodeArgs args_of(const pj_decode_attention_args* given) {
  pj_decode_attention_args a = known_part(given, "args");
  DecodeArgs r;
  r.q = tensor_of(a.q);
  r.k_cache = tensor_of(a.k_cache);
  r.v_cache = tensor_of(a.v_cache);
  r.k_scales = tensor_of(a.k_scales);
  r.v_scales = tensor_of(a.v_scales);
  r.block_table = tensor_of(a.block_table);
  r.lengths = tensor_of(a.lengths);
  r.query_indptr = tensor_of(a.query_indptr);
  r.out = tensor_of(a.out);
  r.lse = tensor_of(a.lse);
  r.sinks = tensor_of(a.sinks);
  r.alibi_slopes = tensor_of(a.alibi_slopes);
  r.workspace = tensor_of(a.workspace);
  r.layout = choice<CacheLayout>(a.layout, "layout");
  r.quant = quant_of(a.quant);
  r.page = a.page;
  r.scale = a.scale;
  r.causal = a.not_causal == 0;
  int window = choice<int>(a.has_window, "has_window", PJ_WINDOW_BOTH + 1);
  if (window & PJ_WINDOW_LEFT) r.window_left = a.window_left;
  if (window & PJ_WINDOW_RIGHT) r.window_right = a.window_right;
  r.softcap = a.softcap;
  r.max_queries = a.max_queries;
  r.empty_lse_pos_inf = a.empty_lse_pos_inf != 0;
  r.settled = a.settled != 0;
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(decode_attention)

pj_status pj_decode_workspace(pj_context* context, const pj_decode_attention_args* args, size_t* bytes) {
  return with(context, [&](pagejit::Context& c) {
    need(bytes, "bytes");
    *bytes = c.decode_workspace(args_of(args));
  });
}
