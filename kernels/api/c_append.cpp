#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

/// 0 is the call's own rule, and ours follow in their order.
ScaleRule rule_of(int given, ScaleRule fallback) {
  int value = checked_choice(given, 4, "scale_rule");
  return value == PJ_SCALE_RULE_DEFAULT ? fallback : static_cast<ScaleRule>(value - 1);
}
static_assert(PJ_SCALE_RULE_BLOCKED == int(ScaleRule::blocked) + 1 && PJ_SCALE_RULE_MLA == int(ScaleRule::mla) + 1 &&
              PJ_SCALE_RULE_INDEXER == int(ScaleRule::indexer) + 1);

/// What the writers of K and V have in common has the same names in each struct.
template <class Given>
void take_rows(const Given& a, AppendRows& r) {
  r.k = tensor_of(a.k);
  r.v = tensor_of(a.v);
  r.k_cache = tensor_of(a.k_cache);
  r.v_cache = tensor_of(a.v_cache);
  r.k_scales = tensor_of(a.k_scales);
  r.v_scales = tensor_of(a.v_scales);
  r.valid_tokens = tensor_of(a.valid_tokens);
  r.layout = choice<CacheLayout>(a.layout, "layout");
  r.quant = quant_of(a.quant);
  r.scale_rule = rule_of(a.scale_rule, r.scale_rule);
  r.power_of_two = a.power_of_two != 0;
}

template <class Given, class Args>
void take_batch_pos(const Given& a, Args& r) {
  r.batch_indices = tensor_of(a.batch_indices);
  r.positions = tensor_of(a.positions);
  r.kv_indptr = tensor_of(a.kv_indptr);
  r.kv_indices = tensor_of(a.kv_indices);
}

FillArgs args_of(const pj_fill_kv_cache_args* given) {
  pj_fill_kv_cache_args a = known_part(given, "args");
  check_reserved(a.reserved);
  FillArgs r;
  take_rows(a, r);
  r.block_table = tensor_of(a.block_table);
  r.kv_lengths = tensor_of(a.kv_lengths);
  r.q_lengths = tensor_of(a.q_lengths);
  r.q_start_loc = tensor_of(a.q_start_loc);
  r.q_indptr = tensor_of(a.q_indptr);
  r.settled = a.settled != 0;
  return r;
}

AppendArgs args_of(const pj_append_args* given) {
  pj_append_args a = known_part(given, "args");
  AppendArgs r;
  take_rows(a, r);
  take_batch_pos(a, r);
  return r;
}

ReshapeAndCacheArgs args_of(const pj_reshape_and_cache_args* given) {
  pj_reshape_and_cache_args a = known_part(given, "args");
  ReshapeAndCacheArgs r;
  take_rows(a, r);
  r.slots = tensor_of(a.slots);
  return r;
}

AppendMlaArgs args_of(const pj_append_mla_args* given) {
  pj_append_mla_args a = known_part(given, "args");
  AppendMlaArgs r;
  r.ckv = tensor_of(a.ckv);
  r.kpe = tensor_of(a.kpe);
  r.ckv_cache = tensor_of(a.ckv_cache);
  r.kpe_cache = tensor_of(a.kpe_cache);
  r.joint_cache = tensor_of(a.joint_cache);
  take_batch_pos(a, r);
  r.valid_tokens = tensor_of(a.valid_tokens);
  return r;
}

ConcatMlaArgs args_of(const pj_concat_and_cache_mla_args* given) {
  pj_concat_and_cache_mla_args a = known_part(given, "args");
  ConcatMlaArgs r;
  r.kv_c = tensor_of(a.kv_c);
  r.k_pe = tensor_of(a.k_pe);
  r.kv_cache = tensor_of(a.kv_cache);
  r.scale = tensor_of(a.scale);
  r.slots = tensor_of(a.slots);
  r.valid_tokens = tensor_of(a.valid_tokens);
  r.scale_rule = rule_of(a.scale_rule, r.scale_rule);
  r.power_of_two = a.power_of_two != 0;
  return r;
}

IndexerArgs args_of(const pj_indexer_quant_and_cache_args* given) {
  pj_indexer_quant_and_cache_args a = known_part(given, "args");
  IndexerArgs r;
  r.k = tensor_of(a.k);
  r.cache = tensor_of(a.cache);
  r.slots = tensor_of(a.slots);
  r.valid_tokens = tensor_of(a.valid_tokens);
  r.scale_rule = rule_of(a.scale_rule, r.scale_rule);
  r.power_of_two = a.any_scale == 0;
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(fill_kv_cache)
PJ_C_CALL(append)
PJ_C_CALL(reshape_and_cache)
PJ_C_CALL(append_mla)
PJ_C_CALL(concat_and_cache_mla)
PJ_C_CALL(indexer_quant_and_cache)
