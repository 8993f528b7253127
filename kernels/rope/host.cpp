#include "kernels/rope/host.h"

#include <fmt/format.h>

#include "kernels/common/rules.h"
#include "kernels/rope/views.h"
#include "runtime/base/error.h"

namespace pagejit::rope {
namespace {

std::int64_t magic(std::int32_t d) {
  return reciprocal(static_cast<std::uint32_t>(d));
}

int ceil_log2(std::int64_t d) {
  int bits = 0;
  while ((std::int64_t{1} << bits) < d) ++bits;
  return bits;
}

void fill_deal(const Deals& all, Params& p) {
  auto fill = [&](Part part, auto blocks, auto splits, auto pass, auto group, auto split_magic, auto pass_magic) {
    const Deal& d = all.part[static_cast<std::size_t>(part)];
    p.*blocks = d.blocks, p.*splits = d.splits, p.*pass = d.pass, p.*group = d.group;
    p.*split_magic = magic(d.splits), p.*pass_magic = magic(d.pass);
  };
  fill(q_rope, &Params::q_rope_blocks, &Params::q_rope_splits, &Params::q_rope_pass, &Params::q_rope_group,
       &Params::q_rope_split_magic, &Params::q_rope_pass_magic);
  fill(q_nope, &Params::q_nope_blocks, &Params::q_nope_splits, &Params::q_nope_pass, &Params::q_nope_group,
       &Params::q_nope_split_magic, &Params::q_nope_pass_magic);
  fill(k_rope, &Params::k_rope_blocks, &Params::k_rope_splits, &Params::k_rope_pass, &Params::k_rope_group,
       &Params::k_rope_split_magic, &Params::k_rope_pass_magic);
  fill(k_nope, &Params::k_nope_blocks, &Params::k_nope_splits, &Params::k_nope_pass, &Params::k_nope_group,
       &Params::k_nope_split_magic, &Params::k_nope_pass_magic);
  fill(v_all, &Params::v_blocks, &Params::v_splits, &Params::v_pass, &Params::v_group, &Params::v_split_magic,
       &Params::v_pass_magic);
  p.tile = all.tile, p.tile_blocks = all.tile_blocks;
  // For any program of 31 bits: 2^31+L / d is at most 2^32, and what rounding it up adds stays below one.
  int log = ceil_log2(all.tile_blocks);
  p.tile_shift = 31 + log;
  p.tile_magic =
      static_cast<std::int64_t>(((std::uint64_t{1} << p.tile_shift) + static_cast<std::uint64_t>(all.tile_blocks) - 1) /
                                static_cast<std::uint64_t>(all.tile_blocks));
}

void fill_inputs(const RopeInputs& a, const Views& w, Params& p) {
  p.q_rope = w.q_rope.data, p.q_rope_token = w.q_rope.token, p.q_rope_head = w.q_rope.head;
  p.q_nope = w.q_nope.data, p.q_nope_token = w.q_nope.token, p.q_nope_head = w.q_nope.head;
  p.k_rope = w.k_rope.data, p.k_rope_token = w.k_rope.token, p.k_rope_head = w.k_rope.head;
  p.k_nope = w.k_nope.data, p.k_nope_token = w.k_nope.token, p.k_nope_head = w.k_nope.head;
  p.v = w.v.data, p.v_token = w.v.token, p.v_head = w.v.head;
  p.pos_ids = a.pos_ids.data;
  p.table = a.cos_sin_cache.data, p.table_row = a.cos_sin_cache.step(0);
  p.scale_q = a.scale_q, p.scale_q_at = a.scale_q_device.data;
  p.scale_kv = a.scale_kv, p.scale_kv_at = a.scale_kv_device.data;
  p.tokens = static_cast<std::int32_t>(w.tokens);
  p.query_heads = static_cast<std::int32_t>(w.query_heads), p.kv_heads = static_cast<std::int32_t>(w.kv_heads);
}

void fill_outputs(const Views& w, Params& p) {
  const Output &q = w.q_rope_out, &qn = w.q_nope_out, &k = w.k_rope_out, &kn = w.k_nope_out, &v = w.v_out;
  p.q_rope_out = q.data, p.q_rope_out_token = q.page, p.q_rope_out_head = q.head;
  p.q_nope_out = qn.data, p.q_nope_out_token = qn.page, p.q_nope_out_head = qn.head;
  p.k_rope_out = k.data, p.k_rope_out_page = k.page, p.k_rope_out_row = k.row, p.k_rope_out_head = k.head;
  p.k_nope_out = kn.data, p.k_nope_out_page = kn.page, p.k_nope_out_row = kn.row, p.k_nope_out_head = kn.head;
  p.v_out = v.data, p.v_out_page = v.page, p.v_out_row = v.row, p.v_out_head = v.head;
}

void choose_spec(const RopeInputs& a, const Views& w, Spec& s) {
  s.in = a.q_rope.elem;
  s.q = a.q_rope_out.elem, s.kv = w.k_rope_out.elem;
  s.style = a.style;
  s.rope_dim = static_cast<int>(w.rope_dim), s.nope_dim = static_cast<int>(w.nope_dim);
  s.dim_v = static_cast<int>(w.dim_v);
  s.page = static_cast<int>(w.page);
  s.pos = a.pos_ids.elem;
  s.settled = a.settled;
  s.align = alignment(a, w);
  choose_block(s, a.tuning);
}

void fill_places(const RopePlaces& a, Plan& out) {
  bool by_slot = !a.slots.omitted();
  out.spec.into = by_slot ? Into::slots : Into::batch_pos;
  out.spec.list = by_slot ? a.slots.elem : a.batch_indices.elem;
  out.spec.padding = a.padding;
  out.params.slots = a.slots.data;
  out.params.batch = a.batch_indices.data, out.params.position = a.positions.data;
  out.params.indptr = a.kv_indptr.data, out.params.indices = a.kv_indices.data;
  out.params.valid = a.valid_tokens.data;
}

/// Everything that the three calls share, once their tensors are views.
bool finish(const RopeInputs& a, const Views& w, int multiprocessors, Plan& out) {
  if (out.instead)
    out.spec = *out.instead;
  else
    choose_spec(a, w, out.spec);
  if (w.tokens == 0 || w.query_heads + w.kv_heads == 0) return false;
  Deals deals = deal(out.spec, w.tokens, w.query_heads, w.kv_heads, multiprocessors, a.tuning);
  std::int64_t blocks = deals.tiles * deals.tile_blocks;
  if (blocks > 0x7fffffff) [[unlikely]]
    fail(Code::argument,
         fmt::format("q_rope has {} tokens, which take {} blocks; expected at most 2^31 - 1 blocks", w.tokens, blocks),
         {{"argument", "q_rope"}});
  fill_inputs(a, w, out.params);
  fill_outputs(w, out.params);
  fill_deal(deals, out.params);
  out.grid = {static_cast<std::uint32_t>(blocks), 1, 1};
  return true;
}

}  // namespace

bool plan(const RopeQuantizeArgs& args, int multiprocessors, Plan& out) {
  Views w = view_all(args);
  out.spec.into = Into::dense;
  return finish(args, w, multiprocessors, out);
}

bool plan(const RopeAppendArgs& args, int multiprocessors, Plan& out) {
  Views w = view_all(args);
  fill_places(args, out);
  return finish(args, w, multiprocessors, out);
}

bool plan(const RopeAppendMlaArgs& args, int multiprocessors, Plan& out) {
  Views w = view_all(args);
  fill_places(args, out);
  return finish(args, w, multiprocessors, out);
}

}  // namespace pagejit::rope
