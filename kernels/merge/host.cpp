#include "kernels/merge/host.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/common/check.h"
#include "kernels/common/rules.h"
#include "runtime/base/error.h"

namespace pagejit::merge {
namespace {

constexpr unsigned floats = elem_set(Elem::f16, Elem::bf16, Elem::f32), fp8s = elem_set(Elem::e4m3, Elem::e5m2),
                   f32 = elem_set(Elem::f32);
constexpr Expected prefix_names{"prefix_out", "[tokens, heads, dim]", 3, floats};
constexpr Expected suffix_names{"suffix_out", "[tokens, heads, dim]", 3, floats};
constexpr Expected out_names{"out", "[tokens, heads, dim]", 3, floats | fp8s};
constexpr Expected scale_names{"out_scale", "[1]", 1, f32};
constexpr Expected context_names{"context_tokens_device", "[1]", 1, elem_set(Elem::i32)};

bool is_fp8(Elem e) {
  return e == Elem::e4m3 || e == Elem::e5m2;
}

void check_same_shape(const Expected& names, const Tensor& t, const Tensor& model) {
  check_size(names, "tokens", t.shape[0], suffix_names, model.shape[0]);
  check_size(names, "heads", t.shape[1], suffix_names, model.shape[1]);
  check_size(names, "elements a head", t.shape[2], suffix_names, model.shape[2]);
}

void check_rows(const MergeArgs& a) {
  check_tensor<3>(a.prefix_out, prefix_names);
  check_tensor<3>(a.suffix_out, suffix_names);
  check_tensor<3>(a.out, out_names);
  check_elem(prefix_names, a.prefix_out, suffix_names, a.suffix_out.elem);
  if (!is_fp8(a.out.elem) && a.out.elem != a.suffix_out.elem) [[unlikely]]
    bad_argument(out_names, a.out, "has another element type than suffix_out", "e4m3, e5m2 or that one");
  check_same_shape(prefix_names, a.prefix_out, a.suffix_out);
  check_same_shape(out_names, a.out, a.suffix_out);
  check_range(suffix_names, a.suffix_out, "tokens", a.suffix_out.shape[0], 0, max_rows);
  check_range(suffix_names, a.suffix_out, "heads", a.suffix_out.shape[1], 0, max_heads);
  check_range(suffix_names, a.suffix_out, "elements a head", a.suffix_out.shape[2], 1, max_dim);
  check_range(suffix_names, a.suffix_out, "rows, of all tokens and heads,",
              a.suffix_out.shape[0] * a.suffix_out.shape[1], 0, max_rows);
  check_no_overlap(a.out, out_names);
}

struct Lse {
  std::int64_t token, head;  // strides
};

/// One number a token and head, in either order, at any strides.
Lse view_lse(const MergeArgs& a, const Tensor& t, const char* name, bool written) {
  int head = a.lse_axes == LseAxes::tokens_heads ? 1 : 0;
  Expected names{name, head == 1 ? "[tokens, heads]" : "[heads, tokens]", 2, f32};
  check_strided<2>(t, names);
  check_size(names, "tokens", t.shape[1 - head], suffix_names, a.suffix_out.shape[0]);
  check_size(names, "heads", t.shape[head], suffix_names, a.suffix_out.shape[1]);
  if (written) {
    Tensor numbers = t;  // rows of one
    numbers.rank = 3, numbers.shape[2] = numbers.stride[2] = 1;
    check_no_overlap(numbers, names);
  }
  if (written && (t.data == a.prefix_lse.data || t.data == a.suffix_lse.data) && t.data != nullptr) [[unlikely]]
    bad_argument(names, t, "is the memory of one of the inputs",
                 "memory of its own: all of a row read its input's lse");
  return {t.step(1 - head), t.step(head)};
}

void view_lses(const MergeArgs& a, Params& p) {
  Lse prefix = view_lse(a, a.prefix_lse, "prefix_lse", false), suffix = view_lse(a, a.suffix_lse, "suffix_lse", false);
  p.prefix_lse = a.prefix_lse.data, p.prefix_lse_token = prefix.token, p.prefix_lse_head = prefix.head;
  p.suffix_lse = a.suffix_lse.data, p.suffix_lse_token = suffix.token, p.suffix_lse_head = suffix.head;
  if (a.out_lse.omitted()) return;
  Lse out = view_lse(a, a.out_lse, "out_lse", true);
  p.out_lse = a.out_lse.data, p.out_lse_token = out.token, p.out_lse_head = out.head;
}

void view_numbers(const MergeArgs& a, Params& p) {
  if (!a.out_scale.omitted()) {
    check_tensor<1>(a.out_scale, scale_names);
    check_exactly(scale_names, a.out_scale, "elements", a.out_scale.shape[0], 1);
    if (!is_fp8(a.out.elem)) [[unlikely]]
      bad_argument(scale_names, a.out_scale, "is given though out is not quantised", "it left out, or an out of fp8");
    p.scale = a.out_scale.data;
  }
  if (a.context_tokens < -1) [[unlikely]]
    fail(Code::argument, fmt::format("context_tokens is {}; expected 0 or more, or -1 for all", a.context_tokens),
         {{"argument", "context_tokens"}});
  p.context = static_cast<std::int32_t>(a.context_tokens < 0 ? max_rows : std::min(a.context_tokens, max_rows));
  if (a.context_tokens_device.omitted()) return;
  check_tensor<1>(a.context_tokens_device, context_names);
  check_exactly(context_names, a.context_tokens_device, "elements", a.context_tokens_device.shape[0], 1);
  if (a.context_tokens != -1) [[unlikely]]
    bad_argument(context_names, a.context_tokens_device, "is given beside context_tokens", "one of them");
  p.context_at = a.context_tokens_device.data;
}

Spec choose_spec(const MergeArgs& a) {
  Spec s;
  s.in = a.suffix_out.elem, s.to = a.out.elem, s.dim = static_cast<int>(a.suffix_out.shape[2]);
  AlignmentOf alignment;
  alignment.add(a.prefix_out), alignment.add(a.suffix_out);
  alignment.add(a.out, 16 / bytes(s.in) * bytes(s.to));  // fewer bytes, as many elements
  s.align = alignment.get();
  choose_block(s);
  return s;
}

}  // namespace

bool plan(const MergeArgs& a, int, Plan& out) {
  check_rows(a);
  Params& p = out.params;
  view_lses(a, p);
  view_numbers(a, p);
  out.spec = out.instead != nullptr ? *out.instead : choose_spec(a);
  p.prefix = a.prefix_out.data, p.prefix_token = a.prefix_out.step(0), p.prefix_head = a.prefix_out.step(1);
  p.suffix = a.suffix_out.data, p.suffix_token = a.suffix_out.step(0), p.suffix_head = a.suffix_out.step(1);
  p.out = a.out.data, p.out_token = a.out.step(0), p.out_head = a.out.step(1);
  std::int64_t rows = a.suffix_out.shape[0] * a.suffix_out.shape[1];
  if (rows == 0) return false;
  p.rows = static_cast<std::int32_t>(rows), p.heads = static_cast<std::int32_t>(a.suffix_out.shape[1]);
  p.heads_magic = reciprocal(static_cast<std::uint32_t>(p.heads));
  out.grid = {static_cast<std::uint32_t>(ceil_div<std::int64_t>(rows, rows_of_block(out.spec))), 1, 1};
  return true;
}

void choose_block(Spec& s) {
  s.threads = 256, s.unroll = 4;
  while (units(s) > s.threads * s.unroll) s.threads *= 2;
}

void check(const Spec& s) {
  check_fields(s);
  need(is_model_float(s.in), "in", name_of(s.in), "f16, bf16 or f32");
  need(s.to == s.in || is_fp8(s.to), "to", name_of(s.to), fmt::format("e4m3, e5m2, or {} as in", name_of(s.in)));
  need(s.dim <= max_dim, "dim", fmt::format("{}", s.dim), fmt::format("at most {}", max_dim));
  need(units(s) <= s.threads * s.unroll, "threads", fmt::format("{}", s.threads),
       fmt::format("with unroll {} at least the {} accesses of a row", s.unroll, units(s)));
}

std::string_view summary() {
  return "puts attention over a prefix and over a suffix together";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"in", "element of both inputs: f16, bf16 or f32"},
      {"to", "element of the output: as in, or e4m3, e5m2"},
      {"dim", "elements a head"},
      {"align", "what pointers and strides of inputs are multiples of, in bytes; of the output: of as many elements"},
      {"threads", "threads of a block"},
      {"unroll", "accesses to each input in flight, a thread"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  auto add = [&](Elem to) {
    for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
      if (align == Align::elem && bytes(m.elem) >= 4) continue;  // 4 bytes are aligned to 4
      Spec s{.in = m.elem, .to = to, .dim = m.dim_v, .align = align};
      choose_block(s);
      all.push_back(s);
    }
  };
  add(m.elem);
  if (std::find(m.quants.begin(), m.quants.end(), Quant::fp8) != m.quants.end()) add(m.fp8);
  return all;
}

}  // namespace pagejit::merge
