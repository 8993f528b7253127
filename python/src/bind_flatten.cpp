#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

FlattenArgs::Out out_layout(const Call& call, std::string_view given) {
  return call.choose<FlattenArgs::Out>("flatten_kv_layout", given,
                                       {{"hsd", FlattenArgs::Out::hsd}, {"shd", FlattenArgs::Out::shd}});
}

void flatten_kv_cache(Given k_caches, Given v_caches, Given seqlens, Given block_offsets, Given start_loc,
                      Given k_scales_zeros, Given v_scales_zeros, Given quant_policy_, const char* kv_layout,
                      const char* flatten_kv_layout, const char* tail_, bool zero_gaps, bool settled, Given k_out,
                      Given v_out) {
  Call call("flatten_kv_cache");
  FlattenArgs a;
  Quantised q = quant_policy(call, quant_policy_);
  a.quant = q.quant;
  a.k_cache = codes_of(call.read(k_caches, "k_caches", "k_cache"), q);
  a.v_cache = codes_of(call.read(v_caches, "v_caches", "v_cache"), q);
  a.lengths = call.read(seqlens, "seqlens", "lengths");
  a.block_table = call.read(block_offsets, "block_offsets", "block_table");
  a.start_loc = call.read(start_loc, "start_loc", "start_loc");
  a.k_scales = call.read(k_scales_zeros, "k_scales_zeros", "k_scales");
  a.v_scales = call.read(v_scales_zeros, "v_scales_zeros", "v_scales");
  a.k_out = call.write(k_out, "out[0]", "k_out");
  a.v_out = call.write(v_out, "out[1]", "v_out");
  bool hnd = cache_layout(call, kv_layout) == CacheLayout::hnd;
  a.layout = hnd ? FlattenArgs::Layout::hnd : FlattenArgs::Layout::nhd;
  a.out = out_layout(call, flatten_kv_layout);
  a.tail = tail(call, tail_);
  a.zero_gaps = zero_gaps;
  a.settled = settled;
  call.run(a, &Context::flatten);
}

void flatten_mla(Given cache, Given seqlens, Given block_offsets, Given start_loc, const char* flatten_kv_layout,
                 const char* tail_, bool zero_gaps, bool settled, Given out) {
  Call call("flatten_kv_cache_mla_fp8");
  FlattenMlaArgs a;
  a.cache = call.read(cache, "kv_cache", "cache");
  a.lengths = call.read(seqlens, "seqlens", "lengths");
  a.block_table = call.read(block_offsets, "block_offsets", "block_table");
  a.start_loc = call.read(start_loc, "start_loc", "start_loc");
  a.out = call.write(out, "out", "out");
  a.out_layout = out_layout(call, flatten_kv_layout);
  a.tail = tail(call, tail_);
  a.zero_gaps = zero_gaps;
  a.settled = settled;
  call.run(a, &Context::flatten_mla);
}

}  // namespace

void bind_flatten(nb::module_& m) {
  m.def("flatten_kv_cache", &flatten_kv_cache);
  m.def("flatten_kv_cache_mla_fp8", &flatten_mla);
}

}  // namespace pagejit::python
