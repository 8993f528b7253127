// The paged calls' half of views.h.
#include "kernels/rope/view_checks.h"

namespace pagejit::rope {
namespace {

void check_list(const Expected& names, const Tensor& t, const Expected& model, const Tensor& like) {
  check_tensor<1>(t, names);
  check_elem(names, t, model, like.elem);
}

void check_places(const RopePlaces& a, std::int64_t tokens) {
  if (!a.valid_tokens.omitted()) {
    check_tensor<1>(a.valid_tokens, valid_names);
    check_range(valid_names, a.valid_tokens, "elements", a.valid_tokens.shape[0], 1, 1);
  }
  if (!a.slots.omitted()) {
    check_tensor<1>(a.slots, slots_names);
    check_size(slots_names, "tokens", a.slots.shape[0], q_rope_names, tokens);
    if (!a.batch_indices.omitted()) [[unlikely]]
      bad_argument(batch_names, a.batch_indices, "is given beside slots", "one of the two");
    return;
  }
  check_tensor<1>(a.batch_indices, batch_names);
  check_size(batch_names, "tokens", a.batch_indices.shape[0], q_rope_names, tokens);
  check_list(position_names, a.positions, batch_names, a.batch_indices);
  check_size(position_names, "tokens", a.positions.shape[0], q_rope_names, tokens);
  check_list(indptr_names, a.kv_indptr, batch_names, a.batch_indices);
  check_list(indices_names, a.kv_indices, batch_names, a.batch_indices);
}

/// A cache, whatever the order of its axes: its part from column `first` on is what is written.
struct Cache {
  const Expected& names;
  const Tensor& t;
  int row, head;  // axes
  Output part(std::int64_t first) const {
    auto* at = static_cast<std::byte*>(t.data);
    if (at != nullptr) at += first * bytes(t.elem);
    return {at, t.elem, t.step(0), t.step(row), t.step(head)};
  }
};

Cache view_cache(const Tensor& t, const Expected& names, RopeAppendArgs::Layout layout) {
  check_tensor<4>(t, names);
  int row = layout == RopeAppendArgs::Layout::nhd ? 1 : 2;
  return {names, t, row, 3 - row};
}

void check_page(const Expected& names, const Tensor& t, std::int64_t rows) {
  check_range(names, t, "rows a page", rows, 1, 1 << 20);
}

}  // namespace

Views view_all(const RopeAppendArgs& a) {
  Views w = view_inputs(a);
  bool nhd = a.layout == RopeAppendArgs::Layout::nhd;
  view_v(a.v, a.q_rope.elem, w);
  check_places(a, w.tokens);
  Cache k = view_cache(a.k_cache, nhd ? k_cache_nhd : k_cache_hnd, a.layout);
  Cache v = view_cache(a.v_cache, nhd ? v_cache_nhd : v_cache_hnd, a.layout);
  w.page = k.t.shape[k.row];
  check_page(k.names, k.t, w.page);
  check_size(v.names, "pages", v.t.shape[0], k.names, k.t.shape[0]);
  check_size(v.names, "rows a page", v.t.shape[v.row], k.names, w.page);
  check_size(k.names, "heads", k.t.shape[k.head], k_rope_names, w.kv_heads);
  check_size(v.names, "heads", v.t.shape[v.head], k_rope_names, w.kv_heads);
  if (k.t.shape[3] != w.rope_dim + w.nope_dim) [[unlikely]]
    bad_argument(k.names, k.t, fmt::format("has {} elements a head", k.t.shape[3]),
                 fmt::format("{}: {} rotated and {} others", w.rope_dim + w.nope_dim, w.rope_dim, w.nope_dim));
  check_size(v.names, "elements a head", v.t.shape[3], v_names, w.dim_v);
  check_out(k.names, k.t, a.q_rope.elem);
  check_elem(v.names, v.t, k.names, k.t.elem);
  w.k_rope_out = k.part(0), w.v_out = v.part(0);
  if (w.nope_dim > 0) w.k_nope_out = k.part(w.rope_dim);
  return with_scales(a, k.names, w);
}

Views view_all(const RopeAppendMlaArgs& a) {
  Views w = view_inputs(a);
  check_tensor<3>(a.q_nope, q_nope_names);
  check_size(k_rope_names, "heads", w.kv_heads, ckv_names, 1);
  check_places(a, w.tokens);
  check_tensor<3>(a.kpe_cache, kpe_names);
  check_tensor<3>(a.ckv_cache, ckv_names);
  w.page = a.ckv_cache.shape[1];
  check_page(ckv_names, a.ckv_cache, w.page);
  check_size(kpe_names, "pages", a.kpe_cache.shape[0], ckv_names, a.ckv_cache.shape[0]);
  check_size(kpe_names, "rows a page", a.kpe_cache.shape[1], ckv_names, w.page);
  check_size(ckv_names, "elements a row", a.ckv_cache.shape[2], q_nope_names, w.nope_dim);
  check_size(kpe_names, "elements a row", a.kpe_cache.shape[2], q_rope_names, w.rope_dim);
  check_out(ckv_names, a.ckv_cache, a.q_rope.elem);
  check_elem(kpe_names, a.kpe_cache, ckv_names, a.ckv_cache.elem);
  auto output = [](const Tensor& t) { return Output{t.data, t.elem, t.step(0), t.step(1), 0}; };
  w.k_rope_out = output(a.kpe_cache), w.k_nope_out = output(a.ckv_cache);
  return with_scales(a, ckv_names, w);
}

}  // namespace pagejit::rope
