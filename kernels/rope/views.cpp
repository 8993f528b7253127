#include "kernels/rope/view_checks.h"
#include "runtime/base/error.h"

namespace pagejit::rope {
namespace {

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

}  // namespace

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

Views with_scales(const RopeInputs& a, const Expected& kv_names, const Views& w) {
  check_scale(scale_q_names, a.scale_q_device, a.scale_q, q_rope_out_names, a.q_rope_out.elem != a.q_rope.elem);
  check_scale(scale_kv_names, a.scale_kv_device, a.scale_kv, kv_names, w.k_rope_out.elem != a.q_rope.elem);
  return w;
}

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
