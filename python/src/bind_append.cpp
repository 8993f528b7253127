#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

struct Names {
  const char *k, *v, *k_cache, *v_cache, *k_scales, *v_scales;
};

void take_rows(Call& call, AppendRows& a, const Quantised& q, const Names& n, Given k, Given v, Given k_cache,
               Given v_cache, Given k_scales, Given v_scales, const char* layout, Given valid_tokens) {
  a.quant = q.quant;
  a.k = call.read(k, n.k, "k");
  a.v = call.read(v, n.v, "v");
  a.k_cache = codes_of(call.write(k_cache, n.k_cache, "k_cache"), q);
  a.v_cache = codes_of(call.write(v_cache, n.v_cache, "v_cache"), q);
  if (q.quant != Quant::none) {
    bool read = q.quant == Quant::fp8;
    a.k_scales = read ? call.read(k_scales, n.k_scales, "k_scales") : call.write(k_scales, n.k_scales, "k_scales");
    a.v_scales = read ? call.read(v_scales, n.v_scales, "v_scales") : call.write(v_scales, n.v_scales, "v_scales");
  }
  a.layout = cache_layout(call, layout);
  a.valid_tokens = call.read(valid_tokens, "valid_tokens", "valid_tokens");
}

void fill_kv_cache(Given k, Given v, Given k_caches, Given v_caches, Given q_start_loc, Given q_seq_length,
                   Given kv_seq_length, Given block_offsets, Given k_scales_zeros, Given v_scales_zeros, Given policy,
                   const char* kv_layout, const char* rule, bool power_of_two, Given valid_tokens, bool settled) {
  Call call("fill_kv_cache");
  Quantised q = quant_policy(call, policy);
  FillArgs a;
  take_rows(call, a, q, {"k_states", "v_states", "k_caches", "v_caches", "k_scales_zeros", "v_scales_zeros"}, k, v,
            k_caches, v_caches, k_scales_zeros, v_scales_zeros, kv_layout, valid_tokens);
  a.block_table = call.read(block_offsets, "block_offsets", "block_table");
  a.kv_lengths = call.read(kv_seq_length, "kv_seq_length", "kv_lengths");
  a.q_lengths = call.read(q_seq_length, "q_seq_length", "q_lengths");
  a.q_start_loc = call.read(q_start_loc, "q_start_loc", "q_start_loc");
  a.scale_rule = scale_rule(call, rule);
  a.power_of_two = power_of_two;
  a.settled = settled;
  call.run(a, &Context::fill_kv_cache);
}

void append(Given k, Given v, Given batch_indices, Given positions, Given k_cache, Given v_cache, Given kv_indices,
            Given kv_indptr, const char* layout, Given k_scale, Given v_scale, Given policy, Given valid_tokens) {
  Call call("append_paged_kv_cache");
  AppendArgs a;
  take_rows(call, a, quant_policy(call, policy),
            {"append_key", "append_value", "paged_kv_cache[0]", "paged_kv_cache[1]", "k_scale", "v_scale"}, k, v,
            k_cache, v_cache, k_scale, v_scale, layout, valid_tokens);
  a.batch_indices = call.read(batch_indices, "batch_indices", "batch_indices");
  a.positions = call.read(positions, "positions", "positions");
  a.kv_indptr = call.read(kv_indptr, "kv_indptr", "kv_indptr");
  a.kv_indices = call.read(kv_indices, "kv_indices", "kv_indices");
  call.run(a, &Context::append);
}

void reshape_and_cache(Given key, Given value, Given key_cache, Given value_cache, Given slot_mapping,
                       const char* dtype, Given k_scale, Given v_scale, const char* layout, Given valid_tokens) {
  Call call("reshape_and_cache");
  ReshapeAndCacheArgs a;
  take_rows(call, a, kv_cache_dtype(call, dtype), {"key", "value", "key_cache", "value_cache", "k_scale", "v_scale"},
            key, value, key_cache, value_cache, k_scale, v_scale, layout, valid_tokens);
  a.slots = call.read(slot_mapping, "slot_mapping", "slots");
  call.run(a, &Context::reshape_and_cache);
}

void append_mla(Given ckv, Given kpe, Given batch_indices, Given positions, Given ckv_cache, Given kpe_cache,
                Given kv_indices, Given kv_indptr, Given valid_tokens) {
  Call call("append_paged_mla_kv_cache");
  AppendMlaArgs a;
  a.ckv = call.read(ckv, "append_ckv", "ckv");
  a.kpe = call.read(kpe, "append_kpe", "kpe");
  if (kpe_cache.is_none()) {
    a.joint_cache = call.write(ckv_cache, "ckv_cache", "joint_cache");
  } else {
    a.ckv_cache = call.write(ckv_cache, "ckv_cache", "ckv_cache");
    a.kpe_cache = call.write(kpe_cache, "kpe_cache", "kpe_cache");
  }
  a.batch_indices = call.read(batch_indices, "batch_indices", "batch_indices");
  a.positions = call.read(positions, "positions", "positions");
  a.kv_indptr = call.read(kv_indptr, "kv_indptr", "kv_indptr");
  a.kv_indices = call.read(kv_indices, "kv_indices", "kv_indices");
  a.valid_tokens = call.read(valid_tokens, "valid_tokens", "valid_tokens");
  call.run(a, &Context::append_mla);
}

void concat_mla(Given kv_c, Given k_pe, Given kv_cache, Given slot_mapping, std::string_view dtype, Given scale,
                const char* rule, bool power_of_two, Given valid_tokens) {
  Call call("concat_and_cache_mla");
  ConcatMlaArgs a;
  bool rows_of_656 = dtype == "fp8_ds_mla";
  Quantised q = rows_of_656 ? Quantised{} : kv_cache_dtype(call, dtype);
  a.kv_c = call.read(kv_c, "kv_c", "kv_c");
  a.k_pe = call.read(k_pe, "k_pe", "k_pe");
  a.kv_cache = codes_of(call.write(kv_cache, "kv_cache", "kv_cache"), q);
  if (q.quant == Quant::fp8) a.scale = call.read(scale, "scale", "scale");
  a.slots = call.read(slot_mapping, "slot_mapping", "slots");
  a.valid_tokens = call.read(valid_tokens, "valid_tokens", "valid_tokens");
  a.scale_rule = scale_rule(call, rule);
  a.power_of_two = power_of_two;
  call.run(a, &Context::concat_and_cache_mla);
}

void indexer(Given k, Given kv_cache, Given slot_mapping, std::int64_t quant_block_size, const char* scale_fmt,
             Given valid_tokens) {
  Call call("indexer_k_quant_and_cache");
  if (quant_block_size != group_size)
    call.refuse("quant_block_size", std::to_string(quant_block_size), std::to_string(group_size));
  IndexerArgs a;
  a.k = call.read(k, "k", "k");
  a.cache = call.write(kv_cache, "kv_cache", "cache");
  a.slots = call.read(slot_mapping, "slot_mapping", "slots");
  a.valid_tokens = call.read(valid_tokens, "valid_tokens", "valid_tokens");
  a.power_of_two = call.choose<bool>("scale_fmt", scale_fmt, {{"ue8m0", true}, {"none", false}, {"", false}});
  call.run(a, &Context::indexer_quant_and_cache);
}

}  // namespace

void bind_append(nb::module_& m) {
  m.def("fill_kv_cache", &fill_kv_cache);
  m.def("append_paged_kv_cache", &append);
  m.def("reshape_and_cache", &reshape_and_cache);
  m.def("append_paged_mla_kv_cache", &append_mla);
  m.def("concat_and_cache_mla", [](Given kv_c, Given k_pe, Given kv_cache, Given slots, const char* dtype, Given scale,
                                   const char* rule, bool power_of_two, Given valid) {
    concat_mla(kv_c, k_pe, kv_cache, slots, dtype, scale, rule, power_of_two, valid);
  });
  m.def("indexer_k_quant_and_cache", &indexer);
}

}  // namespace pagejit::python
