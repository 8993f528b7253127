#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

void decode_attention(Given q, Given k_cache, Given v_cache, Given block_table, Given seq_lens, Given query_indptr,
                      Given k_scale, Given v_scale, Given sinks, Given alibi_slopes, Given policy, const char* layout,
                      Given scale, float softcap, bool causal, std::int64_t window_left, std::int64_t window_right,
                      std::int64_t page_size, std::int64_t max_queries, bool empty_lse_pos_inf, Given out, Given lse,
                      Given workspace, Given allocate) {
  Call call("decode_attention");
  Quantised quantised = quant_policy(call, policy);
  DecodeArgs a;
  nb::object made;  // the workspace that nobody gave
  a.q = call.read(q, "q", "q");
  a.k_cache = codes_of(call.read(k_cache, "k_cache", "k_cache"), quantised);
  a.v_cache = codes_of(call.read(v_cache, "v_cache", "v_cache"), quantised);
  a.block_table = call.read(block_table, "block_table", "block_table");
  a.lengths = call.read(seq_lens, "seq_lens", "lengths");
  a.query_indptr = call.read(query_indptr, "query_indptr", "query_indptr");
  a.k_scales = call.read(k_scale, "k_scale", "k_scales");
  a.v_scales = call.read(v_scale, "v_scale", "v_scales");
  a.sinks = call.read(sinks, "sinks", "sinks");
  a.alibi_slopes = call.read(alibi_slopes, "alibi_slopes", "alibi_slopes");
  a.out = call.write(out, "out", "out");
  a.lse = call.write(lse, "lse", "lse");
  a.quant = quantised.quant;
  a.layout = cache_layout(call, layout);
  a.page = page_size;
  a.scale = scale.is_none() ? 0.0F : nb::cast<float>(scale);
  a.causal = causal;
  a.window_left = window_left;
  a.window_right = window_right;
  a.softcap = softcap;
  a.max_queries = max_queries;
  a.empty_lse_pos_inf = empty_lse_pos_inf;
  if (workspace.is_none() && !allocate.is_none()) {
    std::size_t bytes = call.ask([&](Context& context) { return context.decode_workspace(a); });
    made = allocate(q, bytes);
    workspace = Given(made);
  }
  a.workspace = call.write(workspace, "workspace", "workspace");
  call.run(a, &Context::decode_attention);
}

void merge_attn_states(Given output, Given prefix_output, Given prefix_lse, Given suffix_output, Given suffix_lse,
                       Given output_lse, Given tokens_with_context, Given output_scale, const char* lse_axes) {
  Call call("merge_attn_states");
  MergeArgs a;
  a.prefix_out = call.read(prefix_output, "prefix_output", "prefix_out");
  a.prefix_lse = call.read(prefix_lse, "prefix_lse", "prefix_lse");
  a.suffix_out = call.read(suffix_output, "suffix_output", "suffix_out");
  a.suffix_lse = call.read(suffix_lse, "suffix_lse", "suffix_lse");
  a.out = call.write(output, "output", "out");
  a.out_lse = call.write(output_lse, "output_lse", "out_lse");
  a.out_scale = call.read(output_scale, "output_scale", "out_scale");
  if (PyLong_Check(tokens_with_context.ptr()))
    a.context_tokens = nb::cast<std::int64_t>(tokens_with_context);
  else
    a.context_tokens_device = call.read(tokens_with_context, "prefill_tokens_with_context", "context_tokens_device");
  a.lse_axes = call.choose<LseAxes>("lse_axes", lse_axes,
                                    {{"heads_tokens", LseAxes::heads_tokens}, {"tokens_heads", LseAxes::tokens_heads}});
  call.run(a, &Context::merge_attn_states);
}

}  // namespace

void bind_attend(nb::module_& m) {
  m.def("decode_attention", &decode_attention);
  m.def("merge_attn_states", &merge_attn_states);
}

}  // namespace pagejit::python
