#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

/// Everything that Python's decode_attention is given, but for its workspace, in the order of its parameters.
struct Decode {
  Given q, k_cache, v_cache, block_table, seq_lens, query_indptr, k_scale, v_scale, sinks, alibi_slopes, policy;
  const char* layout;
  Given scale;
  float softcap;
  bool causal;
  std::int64_t window_left, window_right, page_size, max_queries;
  bool empty_lse_pos_inf, settled;
  Given out, lse;
};

DecodeArgs read(Call& call, const Decode& d) {
  Quantised quantised = quant_policy(call, d.policy);
  DecodeArgs a;
  a.q = call.read(d.q, "q", "q");
  a.k_cache = codes_of(call.read(d.k_cache, "k_cache", "k_cache"), quantised);
  a.v_cache = codes_of(call.read(d.v_cache, "v_cache", "v_cache"), quantised);
  a.lengths = call.read(d.seq_lens, "seq_lens", "lengths");
  a.block_table = call.read(d.block_table, "block_table", "block_table");
  a.query_indptr = call.read(d.query_indptr, "query_indptr", "query_indptr");
  a.k_scales = call.read(d.k_scale, "k_scale", "k_scales");
  a.v_scales = call.read(d.v_scale, "v_scale", "v_scales");
  a.sinks = call.read(d.sinks, "sinks", "sinks");
  a.alibi_slopes = call.read(d.alibi_slopes, "alibi_slopes", "alibi_slopes");
  a.out = call.write(d.out, "out", "out");
  a.lse = call.write(d.lse, "lse", "lse");
  a.quant = quantised.quant;
  a.layout = cache_layout(call, d.layout);
  a.page = d.page_size;
  a.scale = d.scale.is_none() ? 0.0F : nb::cast<float>(d.scale);
  a.causal = d.causal;
  a.window_left = d.window_left;
  a.window_right = d.window_right;
  a.softcap = d.softcap;
  a.max_queries = d.max_queries;
  a.empty_lse_pos_inf = d.empty_lse_pos_inf;
  a.settled = d.settled;
  return a;
}

std::size_t workspace_of(Call& call, const DecodeArgs& a) {
  return call.ask([&](Context& context) { return context.decode_workspace(a); });
}

void decode_attention(Given q, Given k_cache, Given v_cache, Given block_table, Given seq_lens, Given query_indptr,
                      Given k_scale, Given v_scale, Given sinks, Given alibi_slopes, Given policy, const char* layout,
                      Given scale, float softcap, bool causal, std::int64_t window_left, std::int64_t window_right,
                      std::int64_t page_size, std::int64_t max_queries, bool empty_lse_pos_inf, bool settled, Given out,
                      Given lse, Given workspace, Given allocate) {
  Call call("decode_attention");
  DecodeArgs a = read(call, {q,           k_cache,           v_cache, block_table,  seq_lens,     query_indptr,
                             k_scale,     v_scale,           sinks,   alibi_slopes, policy,       layout,
                             scale,       softcap,           causal,  window_left,  window_right, page_size,
                             max_queries, empty_lse_pos_inf, settled, out,          lse});
  nb::object made;  // the workspace that nobody gave
  if (workspace.is_none() && !allocate.is_none()) {
    made = allocate(q, workspace_of(call, a));
    workspace = Given(made);
  }
  a.workspace = call.write(workspace, "workspace", "workspace");
  call.run(a, &Context::decode_attention);
}

std::size_t decode_workspace(Given q, Given k_cache, Given v_cache, Given block_table, Given seq_lens,
                             Given query_indptr, Given k_scale, Given v_scale, Given sinks, Given alibi_slopes,
                             Given policy, const char* layout, Given scale, float softcap, bool causal,
                             std::int64_t window_left, std::int64_t window_right, std::int64_t page_size,
                             std::int64_t max_queries, bool empty_lse_pos_inf, bool settled, Given out, Given lse) {
  Call call("decode_workspace");
  return workspace_of(call,
                      read(call, {q,           k_cache,           v_cache, block_table,  seq_lens,     query_indptr,
                                  k_scale,     v_scale,           sinks,   alibi_slopes, policy,       layout,
                                  scale,       softcap,           causal,  window_left,  window_right, page_size,
                                  max_queries, empty_lse_pos_inf, settled, out,          lse}));
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
  m.def("decode_workspace", &decode_workspace);
  m.def("merge_attn_states", &merge_attn_states);
}

}  // namespace pagejit::python
