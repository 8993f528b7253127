#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

/// Q, K's inputs, the table and the scales: what the three calls share, in their Python order.
struct Inputs {
  Given q_rope, k_rope, q_nope, k_nope, cos_sin_cache, pos_ids, q_rope_out, q_nope_out;
  bool is_neox;
  Given scale_q, scale_kv;
  bool settled;
};

/// A host number, or a tensor of one f32 on the device.
void take_scale(Call& call, Given given, const char* name, const char* field, float& number, Tensor& device) {
  if (PyFloat_Check(given.ptr()) || PyLong_Check(given.ptr()))
    number = static_cast<float>(PyFloat_AsDouble(given.ptr()));
  else
    device = call.read(given, name, field);
}

void take_inputs(Call& call, RopeInputs& a, const Inputs& in) {
  a.q_rope = call.read(in.q_rope, "q_rope", "q_rope");
  a.q_nope = call.read(in.q_nope, "q_nope", "q_nope");
  a.k_rope = call.read(in.k_rope, "k_rope", "k_rope");
  a.k_nope = call.read(in.k_nope, "k_nope", "k_nope");
  a.q_rope_out = call.write(in.q_rope_out, "q_rope_out", "q_rope_out");
  a.q_nope_out = call.write(in.q_nope_out, "q_nope_out", "q_nope_out");
  a.cos_sin_cache = call.read(in.cos_sin_cache, "cos_sin_cache", "cos_sin_cache");
  a.pos_ids = call.read(in.pos_ids, "pos_ids", "pos_ids");
  a.style = in.is_neox ? rope::Style::neox : rope::Style::interleaved;
  take_scale(call, in.scale_q, "quant_scale_q", "scale_q_device", a.scale_q, a.scale_q_device);
  take_scale(call, in.scale_kv, "quant_scale_kv", "scale_kv_device", a.scale_kv, a.scale_kv_device);
  a.settled = in.settled;
}

struct Places {
  Given slots, batch_indices, positions, kv_indptr, kv_indices, valid_tokens;
  bool zero_padding;
};

void take_places(Call& call, RopePlaces& a, const Places& p) {
  a.slots = call.read(p.slots, "slot_mapping", "slots");
  a.batch_indices = call.read(p.batch_indices, "batch_indices", "batch_indices");
  a.positions = call.read(p.positions, "positions", "positions");
  a.kv_indptr = call.read(p.kv_indptr, "kv_indptr", "kv_indptr");
  a.kv_indices = call.read(p.kv_indices, "kv_indices", "kv_indices");
  a.valid_tokens = call.read(p.valid_tokens, "valid_tokens", "valid_tokens");
  a.padding = p.zero_padding ? rope::Padding::zero_row : rope::Padding::skip_all;
}

void rope_quantize(Given q_rope, Given k_rope, Given q_nope, Given k_nope, Given v, Given cos_sin_cache, Given pos_ids,
                   bool is_neox, Given scale_q, Given scale_kv, bool settled, Given q_rope_out, Given k_rope_out,
                   Given q_nope_out, Given k_nope_out, Given v_out) {
  Call call("rope_quantize");
  RopeQuantizeArgs a;
  take_inputs(call, a,
              {q_rope, k_rope, q_nope, k_nope, cos_sin_cache, pos_ids, q_rope_out, q_nope_out, is_neox, scale_q,
               scale_kv, settled});
  a.v = call.read(v, "v", "v");
  a.k_rope_out = call.write(k_rope_out, "k_rope_out", "k_rope_out");
  a.k_nope_out = call.write(k_nope_out, "k_nope_out", "k_nope_out");
  a.v_out = call.write(v_out, "v_out", "v_out");
  call.run(a, &Context::rope_quantize);
}

void rope_append(Given q_rope, Given k_rope, Given q_nope, Given k_nope, Given v, Given cos_sin_cache, Given pos_ids,
                 Given k_cache, Given v_cache, Given kv_indices, Given kv_indptr, Given batch_indices, Given positions,
                 Given slots, Given valid_tokens, bool is_neox, Given scale_q, Given scale_kv, const char* layout,
                 bool zero_padding, bool settled, Given q_rope_out, Given q_nope_out) {
  Call call("rope_quantize_append");
  Inputs in{q_rope,     k_rope,     q_nope,  k_nope,  cos_sin_cache, pos_ids,
            q_rope_out, q_nope_out, is_neox, scale_q, scale_kv,      settled};
  Places places{slots, batch_indices, positions, kv_indptr, kv_indices, valid_tokens, zero_padding};
  if (v.is_none()) {
    RopeAppendMlaArgs a;
    take_inputs(call, a, in);
    take_places(call, a, places);
    a.ckv_cache = call.write(k_cache, "paged_kv_cache[0]", "ckv_cache");
    a.kpe_cache = call.write(v_cache, "paged_kv_cache[1]", "kpe_cache");
    return call.run(a, &Context::rope_append_mla);
  }
  RopeAppendArgs a;
  take_inputs(call, a, in);
  take_places(call, a, places);
  a.v = call.read(v, "v", "v");
  a.k_cache = call.write(k_cache, "paged_kv_cache[0]", "k_cache");
  a.v_cache = call.write(v_cache, "paged_kv_cache[1]", "v_cache");
  bool hnd = cache_layout(call, layout) == CacheLayout::hnd;
  a.layout = hnd ? RopeAppendArgs::Layout::hnd : RopeAppendArgs::Layout::nhd;
  call.run(a, &Context::rope_append);
}

}  // namespace

void bind_rope(nb::module_& m) {
  m.def("rope_quantize", &rope_quantize);
  m.def("rope_quantize_append", &rope_append);
}

}  // namespace pagejit::python
