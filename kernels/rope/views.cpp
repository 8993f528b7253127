#include "kernels/rope/views.h"

#include <fmt/format.h>

#include "kernels/common/check.h"
#include "kernels/rope/host.h"
#include "runtime/base/error.h"

namespace pagejit::rope {
namespace {

constexpr unsigned floats = elem_set(Elem::f16, Elem::bf16, Elem::f32), fp8s = elem_set(Elem::e4m3, Elem::e5m2),
                   integers = elem_set(Elem::i32, Elem::i64);

constexpr Expected q_rope_names{"q_rope", "[tokens, query_heads, R]", 3, floats};
constexpr Expected q_nope_names{"q_nope", "[tokens, query_heads, N]", 3, floats};
constexpr Expected k_rope_names{"k_rope", "[tokens, kv_heads, R]", 3, floats};
constexpr Expected k_nope_names{"k_nope", "[tokens, kv_heads, N]", 3, floats};
constexpr Expected v_names{"v", "[tokens, kv_heads, D]", 3, floats};
constexpr Expected q_rope_out_names{"q_rope_out", "[tokens, query_heads, R]", 3, floats | fp8s};
constexpr Expected q_nope_out_names{"q_nope_out", "[tokens, query_heads, N]", 3, floats | fp8s};
constexpr Expected k_rope_out_names{"k_rope_out", "[tokens, kv_heads, R]", 3, floats | fp8s};
constexpr Expected k_nope_out_names{"k_nope_out", "[tokens, kv_heads, N]", 3, floats | fp8s};
constexpr Expected v_out_names{"v_out", "[tokens, kv_heads, D]", 3, floats | fp8s};
constexpr Expected table_names{"cos_sin_cache", "[positions, R]", 2, elem_set(Elem::f32)};
constexpr Expected pos_names{"pos_ids", "[tokens]", 1, integers};
constexpr Expected scale_q_names{"scale_q_device", "[1]", 1, elem_set(Elem::f32)};
constexpr Expected scale_kv_names{"scale_kv_device", "[1]", 1, elem_set(Elem::f32)};
constexpr Expected k_cache_nhd{"k_cache", "[pages, page, heads, dim]", 4, floats | fp8s};
constexpr Expected k_cache_hnd{"k_cache", "[pages, heads, page, dim]", 4, floats | fp8s};
constexpr Expected v_cache_nhd{"v_cache", "[pages, page, heads, dim]", 4, floats | fp8s};
constexpr Expected v_cache_hnd{"v_cache", "[pages, heads, page, dim]", 4, floats | fp8s};
constexpr Expected ckv_names{"ckv_cache", "[pages, page, N]", 3, floats | fp8s};
constexpr Expected kpe_names{"kpe_cache", "[pages, page, R]", 3, floats | fp8s};
constexpr Expected slots_names{"slots", "[tokens]", 1, integers};
constexpr Expected batch_names{"batch_indices", "[tokens]", 1, integers};
constexpr Expected position_names{"positions", "[tokens]", 1, integers};
constexpr Expected indptr_names{"kv_indptr", "[batch + 1]", 1, integers};
constexpr Expected indices_names{"kv_indices", "[pages in use]", 1, integers};
constexpr Expected valid_names{"valid_tokens", "[1]", 1, elem_set(Elem::i32)};

void check_range(const Expected& what, const Tensor& t, const char* axis, std::int64_t value, std::int64_t least,
                 std::int64_t most) {
  if (value < least || value > most) [[unlikely]]
    bad_argument(what, t, fmt::format("has {} {}", value, axis), fmt::format("{} to {}", least, most));
}

void check_elem(const Expected& what, const Tensor& t, const Expected& model, Elem elem) {
  if (t.elem != elem) [[unlikely]]
    bad_argument(what, t, "has another element type than " + std::string(model.name), "the same one");
}

/// Outputs are codes, or what the inputs are.
void check_out(const Expected& what, const Tensor& t, Elem in) {
  if (t.elem != in && (fp8s & elem_set(t.elem)) == 0) [[unlikely]]
    bad_argument(what, t, "has another element type than the inputs", "e4m3, e5m2 or the inputs' own type");
}

/// [tokens, dim] as [tokens, 1, dim].
Tensor with_heads(const Tensor& t) {
  if (t.rank != 2) return t;
  Tensor r = t;
  r.rank = 3;
  r.shape[1] = 1, r.shape[2] = t.shape[1];
  r.stride[1] = 0, r.stride[2] = t.stride[1];
  return r;
}

/// One part of the heads, or its output: checked against the sizes of `model`.
struct Rows {
  const Expected& names;
  Tensor t;
};
void check_rows(const Rows& r, std::int64_t tokens, std::int64_t heads, std::int64_t dim, const Expected& heads_of,
                const Expected& dim_of) {
  check_tensor<3>(r.t, r.names);
  check_size(r.names, "tokens", r.t.shape[0], q_rope_names, tokens);
  check_size(r.names, "heads", r.t.shape[1], heads_of, heads);
  check_size(r.names, "elements a head", r.t.shape[2], dim_of, dim);
}

Input input_of(const Tensor& t) {
  return {t.data, t.step(0), t.step(1)};
}
Output output_of(const Tensor& t) {
  return {t.data, t.elem, t.step(0), 0, t.step(1)};
}

Output check_dense(const Rows& out, std::int64_t tokens, std::int64_t heads, std::int64_t dim, const Expected& in_names,
                   Elem in) {
  check_rows(out, tokens, heads, dim, in_names, in_names);
  check_no_overlap(out.t, out.names);
  check_out(out.names, out.t, in);
  return output_of(out.t);
}

void refuse_left_over(const Expected& what, const Tensor& t) {
  if (!t.omitted()) [[unlikely]]
    bad_argument(what, t, "is given though q_nope is left out", "both, or neither");
}

void check_scale(const Expected& names, const Tensor& t, float scale, const Expected& out, bool quantised) {
  if (!t.omitted()) {
    check_tensor<1>(t, names);
    check_range(names, t, "elements", t.shape[0], 1, 1);
  }
  if (!quantised && (!t.omitted() || scale != 1)) [[unlikely]]
    fail(Code::argument, fmt::format("{} is not quantised; expected no scale for it, or e4m3 or e5m2", out.name),
         {{"argument", out.name}});
}

/// Q, and K's inputs.
Views view_inputs(const RopeInputs& a) {
  Views w;
  check_tensor<3>(a.q_rope, q_rope_names);
  w.tokens = a.q_rope.shape[0], w.query_heads = a.q_rope.shape[1], w.rope_dim = a.q_rope.shape[2];
  check_range(q_rope_names, a.q_rope, "tokens", w.tokens, 0, max_tokens);
  check_range(q_rope_names, a.q_rope, "heads", w.query_heads, 0, max_heads);
  check_range(q_rope_names, a.q_rope, "elements a head", w.rope_dim, 2, max_dim);
  if (w.rope_dim % 2 != 0) [[unlikely]]
    bad_argument(q_rope_names, a.q_rope, fmt::format("has {} elements a head", w.rope_dim), "an even number");
  Elem in = a.q_rope.elem;

  Rows k_rope{k_rope_names, with_heads(a.k_rope)};
  check_tensor<3>(k_rope.t, k_rope_names);
  w.kv_heads = k_rope.t.shape[1];
  check_range(k_rope_names, a.k_rope, "heads", w.kv_heads, 0, max_heads);
  check_rows(k_rope, w.tokens, w.kv_heads, w.rope_dim, k_rope_names, q_rope_names);
  check_elem(k_rope_names, a.k_rope, q_rope_names, in);
  w.q_rope = input_of(a.q_rope), w.k_rope = input_of(k_rope.t);
  w.q_rope_out = check_dense({q_rope_out_names, a.q_rope_out}, w.tokens, w.query_heads, w.rope_dim, q_rope_names, in);

  check_tensor<2>(a.cos_sin_cache, table_names);
  check_size(table_names, "columns", a.cos_sin_cache.shape[1], q_rope_names, w.rope_dim);
  check_tensor<1>(a.pos_ids, pos_names);
  check_size(pos_names, "tokens", a.pos_ids.shape[0], q_rope_names, w.tokens);
  if (a.q_nope.omitted()) {
    refuse_left_over(k_nope_names, a.k_nope);
    refuse_left_over(q_nope_out_names, a.q_nope_out);
    return w;
  }
  Rows k_nope{k_nope_names, with_heads(a.k_nope)};
  check_tensor<3>(a.q_nope, q_nope_names);
  w.nope_dim = a.q_nope.shape[2];
  check_range(q_nope_names, a.q_nope, "elements a head", w.nope_dim, 0, max_dim);
  check_rows({q_nope_names, a.q_nope}, w.tokens, w.query_heads, w.nope_dim, q_rope_names, q_nope_names);
  check_rows(k_nope, w.tokens, w.kv_heads, w.nope_dim, k_rope_names, q_nope_names);
  check_elem(q_nope_names, a.q_nope, q_rope_names, in);
  check_elem(k_nope_names, a.k_nope, q_rope_names, in);
  w.q_nope = input_of(a.q_nope), w.k_nope = input_of(k_nope.t);
  w.q_nope_out = check_dense({q_nope_out_names, a.q_nope_out}, w.tokens, w.query_heads, w.nope_dim, q_nope_names, in);
  check_elem(q_nope_out_names, a.q_nope_out, q_rope_out_names, a.q_rope_out.elem);
  return w;
}

void view_v(const Tensor& v, Elem in, Views& w) {
  check_tensor<3>(v, v_names);
  w.dim_v = v.shape[2];
  check_range(v_names, v, "elements a head", w.dim_v, 1, max_dim);
  check_rows({v_names, v}, w.tokens, w.kv_heads, w.dim_v, k_rope_names, v_names);
  check_elem(v_names, v, q_rope_names, in);
  w.v = input_of(v);
}

/// The scales, once all outputs are known.
Views with_scales(const RopeInputs& a, const Expected& kv_names, const Views& w) {
  check_scale(scale_q_names, a.scale_q_device, a.scale_q, q_rope_out_names, a.q_rope_out.elem != a.q_rope.elem);
  check_scale(scale_kv_names, a.scale_kv_device, a.scale_kv, kv_names, w.k_rope_out.elem != a.q_rope.elem);
  return w;
}

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

Views view_all(const RopeQuantizeArgs& a) {
  Views w = view_inputs(a);
  Elem in = a.q_rope.elem;
  Tensor k_out = with_heads(a.k_rope_out), kn_out = with_heads(a.k_nope_out);
  w.k_rope_out = check_dense({k_rope_out_names, k_out}, w.tokens, w.kv_heads, w.rope_dim, k_rope_names, in);
  if (a.q_nope.omitted()) {
    refuse_left_over(k_nope_out_names, a.k_nope_out);
  } else {
    w.k_nope_out = check_dense({k_nope_out_names, kn_out}, w.tokens, w.kv_heads, w.nope_dim, k_nope_names, in);
    check_elem(k_nope_out_names, a.k_nope_out, k_rope_out_names, a.k_rope_out.elem);
  }
  if (!a.v.omitted() || !a.v_out.omitted()) {
    view_v(a.v, in, w);
    w.v_out = check_dense({v_out_names, a.v_out}, w.tokens, w.kv_heads, w.dim_v, v_names, in);
    check_elem(v_out_names, a.v_out, k_rope_out_names, a.k_rope_out.elem);
  }
  return with_scales(a, k_rope_out_names, w);
}

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

Align alignment(const RopeInputs& a, const Views& w) {
  auto width = static_cast<std::uint64_t>(bytes(a.q_rope.elem));
  std::uint64_t bits =
      reinterpret_cast<std::uintptr_t>(a.cos_sin_cache.data) | static_cast<std::uint64_t>(a.cos_sin_cache.step(0)) * 4;
  for (const Input* i : {&w.q_rope, &w.q_nope, &w.k_rope, &w.k_nope, &w.v})
    bits |= reinterpret_cast<std::uintptr_t>(i->data) | static_cast<std::uint64_t>(i->token | i->head) * width;
  for (const Output* o : {&w.q_rope_out, &w.q_nope_out, &w.k_rope_out, &w.k_nope_out, &w.v_out})
    bits |= (reinterpret_cast<std::uintptr_t>(o->data) / static_cast<std::uint64_t>(bytes(o->elem)) |
             static_cast<std::uint64_t>(o->page | o->row | o->head)) *
            width;
  return bits % 16 == 0 ? Align::a16 : bits % 8 == 0 ? Align::a8 : bits % 4 == 0 ? Align::a4 : Align::elem;
}

}  // namespace pagejit::rope
