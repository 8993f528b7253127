#include "kernels/append/call.h"

#include "kernels/common/rules.h"

namespace pagejit::append {
namespace {

Spec choose_spec(const Call& c) {
  Spec s;
  s.in = c.in, s.k = c.k.stored, s.quant_k = c.k.quant;
  s.dim_k = static_cast<int>(c.k.dim), s.dim_v = static_cast<int>(c.v.dim);
  s.v = s.dim_v > 0 ? c.v.stored : s.k;
  s.quant_v = s.dim_v > 0 ? c.v.quant : Quant::none;
  // What does not matter is always the same: one kernel, one Spec.
  if (model_metadata(s.quant_k) || model_metadata(s.quant_v)) s.meta = c.meta;
  if (s.quant_k == Quant::fp8_group || s.quant_v == Quant::fp8_group)
    s.scale_rule = c.scale_rule, s.power_of_two = c.power_of_two;
  s.page = static_cast<int>(c.page);
  s.where = c.where, s.table = c.table_elem;
  if (s.where == Where::ragged) s.lengths = c.lengths_elem, s.starts = c.starts_kind;
  AlignmentOf alignment;
  auto add = [&](const Walk& w, Elem e, int enough) {
    alignment.add(w.data, static_cast<std::uint64_t>(w.page | w.row | w.head), e, enough);
  };
  for (const SideCall* side : {&c.k, &c.v}) {
    if (side->dim == 0) continue;
    add(side->in, c.in, 16);
    add(side->cache, side->stored, enough_bytes(c.in, side->quant, side->stored));
  }
  s.align = alignment.get();
  choose_block(s, c.tuning);
  return s;
}

}  // namespace

bool finish(const Call& c, int multiprocessors, Plan& out) {
  out.spec = out.instead ? *out.instead : choose_spec(c);
  if (c.tokens == 0 || c.heads == 0 || (c.where == Where::ragged && c.batch == 0)) return false;
  LaunchShape shape =
      launch_shape(out.spec, c.heads, c.tokens, c.where == Where::ragged ? c.batch : 0, multiprocessors);
  Params& p = out.params;
  p.k_in = c.k.in.data, p.k_in_token = c.k.in.row, p.k_in_head = c.k.in.head;
  p.k_cache = c.k.cache.data, p.k_page = c.k.cache.page, p.k_row = c.k.cache.row, p.k_head = c.k.cache.head;
  p.k_meta = c.k.meta.data, p.k_meta_page = c.k.meta.page, p.k_meta_row = c.k.meta.row, p.k_meta_head = c.k.meta.head;
  p.v_in = c.v.in.data, p.v_in_token = c.v.in.row, p.v_in_head = c.v.in.head;
  p.v_cache = c.v.cache.data, p.v_page = c.v.cache.page, p.v_row = c.v.cache.row, p.v_head = c.v.cache.head;
  p.v_meta = c.v.meta.data, p.v_meta_page = c.v.meta.page, p.v_meta_row = c.v.meta.row, p.v_meta_head = c.v.meta.head;
  p.table = c.table, p.lengths = c.lengths, p.kv_lengths = c.kv_lengths, p.starts = c.starts, p.valid = c.valid;
  p.table_row = c.table_row;
  p.tokens = static_cast<std::int32_t>(c.tokens), p.heads = static_cast<std::int32_t>(c.heads);
  p.batch = static_cast<std::int32_t>(c.batch), p.settled = c.settled;
  p.rows = shape.rows, p.group = shape.group;
  p.magic = reciprocal(static_cast<std::uint32_t>(shape.group));
  out.grid = {static_cast<std::uint32_t>(shape.token_blocks), static_cast<std::uint32_t>(shape.head_blocks), 1};
  return true;
}

unsigned stored_elems(Quant q, Elem in) {
  if (q == Quant::fp8) return elem_set(Elem::e4m3, Elem::e5m2);
  if (q == Quant::fp8_group) return elem_set(Elem::e4m3);
  if (q != Quant::none) return elem_set(Elem::u8);
  return model_floats & elem_set(in) ? model_floats : elem_set(in);
}

void check_stored(const Expected& what, const Tensor& t, Quant q, Elem in) {
  if (!(stored_elems(q, in) & elem_set(t.elem))) [[unlikely]]
    bad_argument(what, t, "cannot hold what is written to it",
                 q == Quant::none        ? "the input's element type, or a float one where that is a float"
                 : q == Quant::fp8       ? "e4m3 or e5m2 (quant = fp8)"
                 : q == Quant::fp8_group ? "e4m3 (quant = fp8_group)"
                                         : "u8: packed codes");
}

}  // namespace pagejit::append
