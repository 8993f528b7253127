#include "kernels/attend/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attend/views.h"
#include "kernels/common/rules.h"

namespace pagejit::attend {
namespace {

constexpr double log2e = 1.4426950408889634;
constexpr std::int64_t no_bound = 1 << 30;

/// How many queries a sequence has at most.
std::int64_t queries_of(const DecodeArgs& a) {
  std::int64_t batch = a.lengths.shape[0], tokens = a.q.shape[0];
  if (!a.query_indptr.omitted()) {
    if (a.max_queries < 1 || a.max_queries > 1 << 20) [[unlikely]]
      fail(Code::argument,
           fmt::format("max_queries is {}; expected 1 to {}, for query_indptr is given", a.max_queries, 1 << 20),
           {{"argument", "max_queries"}});
    return a.max_queries;
  }
  if (batch == 0 ? tokens != 0 : tokens % batch != 0) [[unlikely]]
    bad_argument(q_names, a.q, fmt::format("has {} tokens for {} sequences", tokens, batch),
                 "equally many for each, or a query_indptr");
  std::int64_t queries = batch == 0 ? 0 : tokens / batch;
  if (a.max_queries != 0 && a.max_queries != queries) [[unlikely]]
    fail(Code::argument,
         fmt::format("max_queries is {}; expected {} or 0, for {} tokens of {} sequences", a.max_queries, queries,
                     tokens, batch),
         {{"argument", "max_queries"}});
  return queries;
}

void check_numbers(const DecodeArgs& a) {
  auto bad = [](const char* name, double value, const char* expected) {
    fail(Code::argument, fmt::format("{} is {}; expected {}", name, value, expected), {{"argument", name}});
  };
  if (!std::isfinite(a.scale) || a.scale < 0) [[unlikely]]
    bad("scale", a.scale, "a positive number, or 0 for 1 / √dim_k");
  if (!std::isfinite(a.softcap) || a.softcap < 0) [[unlikely]]
    bad("softcap", a.softcap, "a positive number, or 0 for none");
  if (a.window_left < -1) [[unlikely]]
    bad("window_left", static_cast<double>(a.window_left), "0 or more, or -1 for no bound");
  if (a.window_right < -1) [[unlikely]]
    bad("window_right", static_cast<double>(a.window_right), "0 or more, or -1 for no bound");
  if (a.quant != Quant::none && a.quant != Quant::fp8 && a.quant != Quant::int8 && a.quant != Quant::int4) [[unlikely]]
    fail(Code::argument, fmt::format("quant is {}; expected none, fp8, int8 or int4", name_of(a.quant)),
         {{"argument", "quant"}});
}

std::int64_t bound(std::int64_t window) {
  return window < 0 ? no_bound : std::min(window, no_bound);
}

/// K's and V's tensors, and what stands beside them.
struct Views {
  bool joint;
  CacheView k, v;
  ScalesView k_scales, v_scales;
};

Spec choose_spec(const DecodeArgs& a, const Views& views) {
  const auto& [joint, k, v, k_scales, v_scales] = views;
  Spec s;
  s.q = a.q.elem, s.k = k.t->elem, s.v = v.t->elem;
  s.quant = a.quant;
  s.dim_k = static_cast<int>(k.width) * per_code(a.quant);
  s.dim_v = static_cast<int>(a.out.shape[2]);
  s.page = static_cast<int>(k.page);
  s.joint = joint;
  s.group = static_cast<int>(a.q.shape[1] / k.heads);
  s.table = a.block_table.elem, s.lengths = a.lengths.elem;
  s.ragged = !a.query_indptr.omitted();
  s.window = a.window_left >= 0;
  s.softcap = a.softcap > 0;
  s.sinks = !a.sinks.omitted(), s.alibi = !a.alibi_slopes.omitted(), s.lse = !a.lse.omitted();
  AlignmentOf alignment;
  alignment.add(*k.t);
  if (!joint) alignment.add(*v.t);
  alignment.add(a.q), alignment.add(a.out);
  if (model_metadata(a.quant)) {
    s.meta = k_scales.t->elem;
    for (const Tensor* t : {k_scales.t, v_scales.t})
      if (t) alignment.add(*t, 2 * bytes(t->elem));
  }
  s.align = alignment.get();
  return s;
}

void fill(Params& p, const DecodeArgs& a, const Views& views, const Spec& s) {
  const auto& [joint, k, v, k_scales, v_scales] = views;
  p.q = a.q.data, p.q_token = a.q.step(0), p.q_head = a.q.step(1);
  p.out = a.out.data, p.out_token = a.out.step(0), p.out_head = a.out.step(1);
  p.lse = a.lse.data, p.lse_token = a.lse.step(0), p.lse_head = a.lse.step(1);
  p.k_cache = k.t->data, p.k_page = k.page_step, p.k_row = k.row_step, p.k_head = k.head_step;
  p.v_cache = v.t->data, p.v_page = v.page_step, p.v_row = v.row_step, p.v_head = v.head_step;
  auto data = [](const ScalesView& scales) { return scales.t ? scales.t->data : nullptr; };
  p.k_scales = data(k_scales), p.k_scales_page = k_scales.page_step, p.k_scales_row = k_scales.row_step;
  p.v_scales = data(v_scales), p.v_scales_page = v_scales.page_step, p.v_scales_row = v_scales.row_step;
  p.k_scales_head = k_scales.head_step, p.v_scales_head = v_scales.head_step;
  p.table = a.block_table.data, p.table_row = a.block_table.step(0);
  p.lengths = a.lengths.data, p.indptr = a.query_indptr.data;
  p.sinks = a.sinks.data, p.slopes = a.alibi_slopes.data;
  double scale = a.scale != 0 ? a.scale : 1 / std::sqrt(static_cast<double>(s.dim_k));
  p.scale = std::max(static_cast<float>(scale * log2e), std::numeric_limits<float>::min());
  p.cap = static_cast<float>(a.softcap * log2e);
  p.inv_cap = a.softcap > 0 ? static_cast<float>(2 * log2e * scale / a.softcap) : 0;
  p.batch = static_cast<std::int32_t>(a.lengths.shape[0]);
  p.kv_heads = static_cast<std::int32_t>(k.heads);
  p.left = static_cast<std::int32_t>(bound(a.window_left));
  p.right = static_cast<std::int32_t>(a.causal ? 0 : bound(a.window_right));
  p.empty_lse_pos_inf = a.empty_lse_pos_inf;
  p.settled = a.settled;
  p.table_entries = std::max<std::int64_t>(0, p.batch - 1) * p.table_row + a.block_table.shape[1];
}

/// K or V as the copy engine walks it: a box is rows of one page and head, as wide as they are swizzled; where a turn's
/// keys share a page it has the rest of those rows too.
BoxedTensor boxed(const CacheView& c, const Spec& s) {
  BoxedTensor b;
  int size = bytes(c.t->elem), row = static_cast<int>(c.width) * size;
  b.data = c.t->data, b.elem_bytes = size;
  b.swizzle = std::min(row, 128);
  b.sizes = {b.swizzle / size, c.page, c.heads, std::max<std::int64_t>(c.pages, 1), row / b.swizzle};
  b.strides = {c.row_step * size, c.head_step * size, c.page_step * size, b.swizzle};
  b.box = {b.swizzle / size, box_rows(s), 1, 1, whole_boxes(s) ? row / b.swizzle : 1};
  return b;
}

/// As many parts as there is room for, or a few less if sequences of one length then fill whole parts, or parts whole
/// sequences: what a part has of a second sequence begins with nothing under way. And if combine then takes the parts
/// of a sequence in whole turns of 64.
std::int32_t even_parts(std::int32_t most, std::int32_t batch) {
  constexpr int turn = 64;
  for (std::int32_t parts = most; batch > 0 && parts >= most - most / 16; --parts) {
    std::int32_t each = parts / batch;
    if ((parts % batch == 0 && (each <= turn || each % turn == 0)) || batch % parts == 0) return parts;
  }
  return most;
}

/// Of how many tiles a part is at least. Few short sequences are read sooner by all multiprocessors, be it a tile each;
/// of many, each is better off in a part of its own, which needs no combining.
std::int32_t least_tiles(const DecodeArgs& a, const Spec& s) {
  constexpr int tuned_most = 1 << 14, few = 32, keys = 128;
  if (a.tuning.least > 0) return std::min(a.tuning.least, tuned_most);
  return a.lengths.shape[0] < few ? 1 : std::max(1, keys / s.keys);
}

/// Into how many parts the keys are split: enough to keep every multiprocessor busy with as many blocks as it holds.
void shape(const DecodeArgs& a, const Chip& chip, Plan& out) {
  const Spec& s = out.spec;
  Params& p = out.params;
  std::int64_t slices = std::int64_t{p.kv_heads} * p.row_tiles;
  std::int64_t teams = std::int64_t{chip.multiprocessors} * resident_teams(s, chip);
  auto most = static_cast<std::int32_t>(std::clamp<std::int64_t>(teams / slices, 1, 1 << 16));
  p.parts = a.tuning.parts > 0 ? std::min(a.tuning.parts, 1 << 16) : even_parts(most, p.batch);
  p.least = least_tiles(a, s);
  std::int64_t blocks = (p.parts * slices + s.teams - 1) / s.teams;
  if (blocks > 0x7fffffff) [[unlikely]]
    bad_argument(q_names, a.q, "has more rows than one launch can have", "fewer tokens a sequence, or fewer heads");
  out.grid = {static_cast<std::uint32_t>(blocks), 1, 1};
  std::int64_t rows = 2ll * std::max(p.parts, most) * slices * s.rows;  // the same for any batch
  out.workspace = static_cast<std::size_t>(rows * (s.dim_v + 1) * 4 + 16);
}

void plan_parts(const DecodeArgs& a, const Chip& chip, Plan& out) {
  const Params& p = out.params;
  combine::Spec& c = out.then.spec;
  c = combine_spec(out.spec);
  for (combine::Share share : combine::shares) {
    combine::Spec& one = out.combines[static_cast<std::size_t>(share)];
    one = c;
    combine::choose_block(one, share);
  }
  c = out.combines[static_cast<std::size_t>(combine::share_of(p.parts, p.batch))];
  combine::Params& q = out.then.params;
  q.out = p.out, q.out_token = p.out_token, q.out_head = p.out_head;
  q.lse = p.lse, q.lse_token = p.lse_token, q.lse_head = p.lse_head;
  q.lengths = p.lengths, q.indptr = p.indptr, q.sinks = p.sinks;
  q.batch = p.batch, q.queries = p.queries, q.kv_heads = p.kv_heads, q.row_tiles = p.row_tiles;
  q.parts = p.parts, q.least = p.least, q.left = p.left, q.empty_lse_pos_inf = p.empty_lse_pos_inf;
  // Blocks with nothing to do take time too: no more of them than run in two goes.
  std::int64_t most = 8 * std::int64_t{chip.multiprocessors}, rows = p.queries * a.q.shape[1];
  std::int64_t each = std::max<std::int64_t>(1, ceil_div<std::int64_t>(rows, c.rows));
  std::int64_t all = p.batch * each * combine::blocks_of_a_row(c);
  q.turns = static_cast<std::int32_t>(std::clamp<std::int64_t>(ceil_div(all, most), 1, each));
  q.groups = static_cast<std::int32_t>(ceil_div<std::int64_t>(each, q.turns));
  std::int64_t blocks = std::int64_t{p.batch} * q.groups * combine::blocks_of_a_row(c);
  if (blocks > 0x7fffffff) [[unlikely]]
    bad_argument(q_names, a.q, "has more rows than one launch can have", "fewer tokens a sequence, or fewer heads");
  out.then.grid = {static_cast<std::uint32_t>(blocks), 1, 1};
}

}  // namespace

combine::Spec combine_spec(const Spec& s) {
  combine::Spec c;
  c.to = s.q, c.dim = s.dim_v, c.lengths = s.lengths;
  c.ragged = s.ragged, c.window = s.window, c.sinks = s.sinks, c.lse = s.lse;
  c.group = s.group, c.team_rows = s.rows, c.keys = s.keys;
  return c;
}

bool plan_without_workspace(const DecodeArgs& a, const Chip& chip, Plan& out) {
  check_numbers(a);
  Views views{is_joint(a), view_keys(a), {}, {}, {}};
  bool joint = views.joint;
  views.v = joint ? views.k : view_values(a);
  const CacheView &k = views.k, &v = views.v;
  check_dense(a, k.heads);
  views.k_scales = view_scales(a, a.k_scales, k);
  check_size(q_names, "elements a head", a.q.shape[2], k.names, k.width * per_code(a.quant));
  check_width(a, k, v, joint);
  if (!joint) {
    check_elem(v.names, *v.t, k.names, k.t->elem);
    check_size(v.names, "rows a page", v.page, k.names, k.page);
    check_size(v.names, "heads", v.heads, k.names, k.heads);
    check_size(v.names, "pages", v.pages, k.names, k.pages);
    views.v_scales = view_scales(a, a.v_scales, v);
  }
  out.spec = choose_spec(a, views);
  std::int64_t queries = queries_of(a), rows = queries * out.spec.group;
  check_range(q_names, a.q, "rows a KV head and sequence", rows, 0, 1 << 24);
  choose_team(out.spec, rows, chip, a.tuning);
  if (a.quant == Quant::none) check_elem(k.names, *k.t, q_names, a.q.elem);
  check(out.spec);
  fill(out.params, a, views, out.spec);
  if (out.spec.bulk) {
    out.keys = boxed(k, out.spec), out.values = boxed(v, out.spec);
    out.spec.bulk = can_be_walked(out.keys) && can_be_walked(out.values);
  }
  out.params.queries = static_cast<std::int32_t>(queries);
  out.params.row_tiles =
      static_cast<std::int32_t>(std::max<std::int64_t>(1, ceil_div<std::int64_t>(rows, out.spec.rows)));
  shape(a, chip, out);
  plan_parts(a, chip, out);
  return a.lengths.shape[0] > 0 && a.q.shape[0] > 0;
}

bool plan(const DecodeArgs& a, const Chip& chip, Plan& out) {
  bool some = plan_without_workspace(a, chip, out);
  constexpr Expected names{"workspace", "[bytes]", 1, elem_set(Elem::u8)};
  check_tensor<1>(a.workspace, names);
  if (static_cast<std::size_t>(a.workspace.shape[0]) < out.workspace ||
      reinterpret_cast<std::uintptr_t>(a.workspace.data) % 16 != 0) [[unlikely]]
    bad_argument(names, a.workspace, fmt::format("has {} bytes", a.workspace.shape[0]),
                 fmt::format("at least {}, 16-byte aligned: ask decode_workspace()", out.workspace));
  const Spec& s = out.spec;
  std::int64_t rows = 2ll * out.params.parts * out.params.kv_heads * out.params.row_tiles * s.rows;
  auto* base = static_cast<char*>(a.workspace.data);
  out.params.partial = out.then.params.partial = base;
  out.params.partial_lse = out.then.params.partial_lse = base + rows * s.dim_v * 4;
  return some;
}

}  // namespace pagejit::attend
