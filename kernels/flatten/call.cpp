// From a checked call to the Spec that it asks for and the Params that it is launched with.
#include "kernels/common/rules.h"
#include "kernels/flatten/views.h"

namespace pagejit::flatten {
namespace {

void add_side(AlignmentOf& alignment, const SideView& side) {
  auto add = [&](const Tensor& t, std::int64_t steps, int enough) {
    alignment.add(t.data, static_cast<std::uint64_t>(steps), t.elem, enough);
  };
  const CacheView& in = side.cache;
  const OutView& out = side.out;
  const ScalesView& scales = side.scales;
  add(in.t, in.page_step | in.row_step | in.head_step, promised_bytes(Align::a16, side.spec, in.t.elem));
  add(out.t, out.row_step | out.head_step, promised_bytes(Align::a16, side.spec, out.t.elem));
  if (scales.t != nullptr)
    add(*scales.t, scales.page_step | scales.row_step | scales.head_step,
        promised_scale_bytes(Align::a16, side.spec, scales.t->elem));
}

Starts starts_of(const Lists& lists) {
  if (lists.lengths == nullptr) return Starts::indptr;
  if (lists.starts == nullptr) return Starts::computed;
  return lists.starts->elem == Elem::i64 ? Starts::i64 : Starts::i32;
}

Spec choose_spec(const SideView& k, const SideView* given_v, const Lists& lists) {
  const SideView& v = given_v ? *given_v : k;
  AlignmentOf alignment;
  add_side(alignment, k);
  if (given_v) add_side(alignment, v);
  Spec s;
  s.k = k.spec.stored, s.v = v.spec.stored;
  s.quant_k = k.spec.quant, s.quant_v = v.spec.quant;
  s.dim_k = k.spec.dim, s.dim_v = v.spec.dim;
  s.to = k.out.t.elem;
  if (model_metadata(k.spec.quant)) s.meta = k.scales.t->elem;
  s.page = static_cast<int>(k.cache.page);
  s.joint = given_v == nullptr;
  s.tail = lists.tail;
  s.table = lists.table.elem;
  s.lengths = lists.lengths ? lists.lengths->elem : Elem::i32;
  s.starts = starts_of(lists);
  s.offsets = lists.offsets != nullptr;
  s.align = alignment.get();
  choose_block(s, lists.tuning);
  return s;
}

void fill_k(const SideView& k, Params& p) {
  p.k_cache = k.cache.t.data, p.k_page = k.cache.page_step, p.k_row = k.cache.row_step, p.k_head = k.cache.head_step;
  p.k_out = k.out.t.data, p.k_out_row = k.out.row_step, p.k_out_head = k.out.head_step;
  p.k_scales = k.scales.t ? k.scales.t->data : nullptr;
  p.k_scales_page = k.scales.page_step, p.k_scales_row = k.scales.row_step, p.k_scales_head = k.scales.head_step;
}

void fill_v(const SideView& v, Params& p) {
  p.v_cache = v.cache.t.data, p.v_page = v.cache.page_step, p.v_row = v.cache.row_step, p.v_head = v.cache.head_step;
  p.v_out = v.out.t.data, p.v_out_row = v.out.row_step, p.v_out_head = v.out.head_step;
  p.v_scales = v.scales.t ? v.scales.t->data : nullptr;
  p.v_scales_page = v.scales.page_step, p.v_scales_row = v.scales.row_step, p.v_scales_head = v.scales.head_step;
}

DevicePtr data_of(const Tensor* t) {
  return t ? t->data : nullptr;
}

void fill_lists(const Lists& lists, Params& p) {
  p.table = lists.table.data, p.table_row = lists.table.step(0);
  p.lengths = data_of(lists.lengths);
  p.starts = data_of(lists.starts);
  p.offsets = data_of(lists.offsets);
  p.batch = static_cast<std::int32_t>(lists.table.shape[0]);
  p.zero_gaps = lists.zero_gaps;
  p.settled = lists.settled;
}

}  // namespace

bool plan(const SideView& k, const SideView* v, const Lists& lists, int multiprocessors, Plan& out) {
  out.spec = out.instead ? *out.instead : choose_spec(k, v, lists);
  std::int64_t batch = lists.table.shape[0], heads = k.cache.heads, rows = k.out.rows;
  bool nothing_owned = batch == 0 && lists.tail == Tail::untouched;
  if (rows == 0 || heads == 0 || nothing_owned) return false;
  bool rows_adjacent = k.out.row_step < k.out.head_step && heads > 1;
  LaunchShape shape = launch_shape(out.spec, heads, rows, batch, rows_adjacent, multiprocessors, lists.tuning);
  Params& p = out.params;
  fill_k(k, p);
  fill_v(v ? *v : k, p);
  fill_lists(lists, p);
  p.out_rows = static_cast<std::int32_t>(rows);
  p.heads = static_cast<std::int32_t>(heads);
  p.rows = shape.rows, p.group = shape.group;
  p.rows_inner = rows_adjacent && shape.group > 1;
  p.inner = p.rows_inner ? shape.rows : shape.group;
  p.magic = reciprocal(static_cast<std::uint32_t>(p.inner));
  out.grid = {static_cast<std::uint32_t>(shape.row_blocks), static_cast<std::uint32_t>(shape.head_blocks),
              apart(out.spec) ? 2u : 1u};
  return true;
}

}  // namespace pagejit::flatten
