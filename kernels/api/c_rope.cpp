#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

/// What the three calls share has the same names in each struct.
template <class Given>
void take_inputs(const Given& a, RopeInputs& r) {
  r.q_rope = tensor_of(a.q_rope);
  r.q_nope = tensor_of(a.q_nope);
  r.k_rope = tensor_of(a.k_rope);
  r.k_nope = tensor_of(a.k_nope);
  r.q_rope_out = tensor_of(a.q_rope_out);
  r.q_nope_out = tensor_of(a.q_nope_out);
  r.cos_sin_cache = tensor_of(a.cos_sin_cache);
  r.pos_ids = tensor_of(a.pos_ids);
  r.scale_q_device = tensor_of(a.scale_q_device);
  r.scale_kv_device = tensor_of(a.scale_kv_device);
  if (a.scale_q != 0) r.scale_q = a.scale_q;
  if (a.scale_kv != 0) r.scale_kv = a.scale_kv;
  r.style = choice<rope::Style>(a.style, "style");
  r.settled = a.settled != 0;
}

template <class Given>
void take_places(const Given& a, RopePlaces& r) {
  r.slots = tensor_of(a.slots);
  r.batch_indices = tensor_of(a.batch_indices);
  r.positions = tensor_of(a.positions);
  r.kv_indptr = tensor_of(a.kv_indptr);
  r.kv_indices = tensor_of(a.kv_indices);
  r.valid_tokens = tensor_of(a.valid_tokens);
  r.padding = choice<rope::Padding>(a.padding, "padding");
}

RopeQuantizeArgs args_of(const pj_rope_quantize_args* given) {
  pj_rope_quantize_args a = known_part(given, "args");
  RopeQuantizeArgs r;
  take_inputs(a, r);
  r.v = tensor_of(a.v);
  r.k_rope_out = tensor_of(a.k_rope_out);
  r.k_nope_out = tensor_of(a.k_nope_out);
  r.v_out = tensor_of(a.v_out);
  return r;
}

RopeAppendArgs args_of(const pj_rope_append_args* given) {
  pj_rope_append_args a = known_part(given, "args");
  RopeAppendArgs r;
  take_inputs(a, r);
  take_places(a, r);
  r.v = tensor_of(a.v);
  r.k_cache = tensor_of(a.k_cache);
  r.v_cache = tensor_of(a.v_cache);
  r.layout = choice<RopeAppendArgs::Layout>(a.layout, "layout");
  return r;
}

RopeAppendMlaArgs args_of(const pj_rope_append_mla_args* given) {
  pj_rope_append_mla_args a = known_part(given, "args");
  check_reserved(a.reserved);
  RopeAppendMlaArgs r;
  take_inputs(a, r);
  take_places(a, r);
  r.ckv_cache = tensor_of(a.ckv_cache);
  r.kpe_cache = tensor_of(a.kpe_cache);
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(rope_quantize)
PJ_C_CALL(rope_append)
PJ_C_CALL(rope_append_mla)
