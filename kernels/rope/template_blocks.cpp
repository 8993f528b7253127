#include "kernels/rope/template_blocks.h"

namespace pagejit::rope {
namespace {

/// n div d, for n · d < 2^32 and magic = ceil(2^32 / d).
Value divided(const Value& n, const Value& magic) {
  return Value(cast(wide(n) * magic >> 32, Type::i32));
}

/// The members of Params that belong to a part.
struct Members {
  DevicePtr Params::*in;
  std::int64_t Params::*token, Params::*head;
  DevicePtr Params::*out;
  std::int64_t Params::*out_page, Params::*out_row, Params::*out_head;  // out_row null: a dense output
  std::int32_t Params::*blocks, Params::*splits, Params::*pass, Params::*group;
  std::int64_t Params::*split_magic, Params::*pass_magic;
};
#define PJ_MEMBERS(part, page, row)                                                                     \
  {                                                                                                     \
    &Params::part, &Params::part##_token, &Params::part##_head, &Params::part##_out, page, row,         \
        &Params::part##_out_head, &Params::part##_blocks, &Params::part##_splits, &Params::part##_pass, \
        &Params::part##_group, &Params::part##_split_magic, &Params::part##_pass_magic                  \
  }
constexpr Members members[parts] = {PJ_MEMBERS(q_rope, &Params::q_rope_out_token, nullptr),
                                    PJ_MEMBERS(q_nope, &Params::q_nope_out_token, nullptr),
                                    PJ_MEMBERS(k_rope, &Params::k_rope_out_page, &Params::k_rope_out_row),
                                    PJ_MEMBERS(k_nope, &Params::k_nope_out_page, &Params::k_nope_out_row),
                                    PJ_MEMBERS(v, &Params::v_out_page, &Params::v_out_row)};
#undef PJ_MEMBERS

Work make_work(const Kernel::Parameters<Params>& p, const Spec& s, int part) {
  const Members& m = members[part];
  auto number = [&](auto member) { return p(member, {.at_least = 0}); };
  auto stride = [&](auto member) { return p(member, {.multiple_of = promised_elements(s), .at_least = 0}); };
  auto tensor = [&](auto member, Elem e) { return p.tensor(member, e, promised_elements(s) * bytes(e)); };
  Work w;
  w.part = part, w.rotated = rotated(part), w.query = part == q_rope || part == q_nope;
  Elem out = out_of(s, part);
  w.in = tensor(m.in, s.in), w.out = tensor(m.out, out);
  w.token_stride = stride(m.token), w.head_stride = stride(m.head);
  w.out_page = stride(m.out_page), w.out_head = stride(m.out_head);
  if (m.out_row != nullptr) w.out_row = stride(m.out_row);
  w.heads = number(w.query ? &Params::query_heads : &Params::kv_heads);
  w.scale = {out != s.in, p.tensor(w.query ? &Params::scale_q_at : &Params::scale_kv_at, Elem::f32),
             p(w.query ? &Params::scale_q : &Params::scale_kv)};
  w.blocks = number(m.blocks), w.splits = number(m.splits), w.pass = number(m.pass), w.group = number(m.group);
  w.split_magic = number(m.split_magic), w.pass_magic = number(m.pass_magic);
  return w;
}

}  // namespace

Value load_scale(Kernel& k, const Scale& scale) {
  Value there(scale.at.base() != 0);
  Value loaded(k.load(scale.at, there, "scale"));
  return Value(select(there, loaded, scale.number));
}

Lists make_lists(const Kernel::Parameters<Params>& p, const Spec& s) {
  auto list = [&](auto member) { return p.tensor(member, s.list); };
  Lists l;
  l.places.where = s.into == Into::slots ? Where::slots : Where::batch_pos;
  l.places.page = s.page;
  l.places.valid = p.tensor(&Params::valid, Elem::i32);
  l.places.slots = list(&Params::slots);
  l.places.batch = list(&Params::batch), l.places.position = list(&Params::position);
  l.places.indptr = list(&Params::indptr), l.places.indices = list(&Params::indices);
  l.pos_ids = p.tensor(&Params::pos_ids, s.pos);
  l.table = p.tensor(&Params::table, Elem::f32, promised_bytes(s.align, Elem::f32));
  l.table_row = p(&Params::table_row, {.multiple_of = promised_bytes(s.align, Elem::f32) / 4, .at_least = 0});
  l.tokens = p(&Params::tokens, {.at_least = 0, .at_most = max_tokens});
  l.tile = p(&Params::tile, {.at_least = 1});
  return l;
}

std::vector<Work> make_works(const Kernel::Parameters<Params>& p, const Spec& s) {
  std::vector<Work> all;
  for (int part : {k_rope, k_nope, v_all, q_rope, q_nope})
    if (dim_of(s, part) > 0) all.push_back(make_work(p, s, part));
  return all;
}

Value tile_of(Kernel& k, const Kernel::Parameters<Params>& p) {
  Value magic = p(&Params::tile_magic, {.at_least = 0}), shift = p(&Params::tile_shift, {.at_least = 0});
  return Value(cast(wide(k.program(0)) * magic >> Value(wide(shift)), Type::i32));
}

Share share(Kernel& k, const Spec& s, const Lists& lists, const Work& w, const Value& tile, const Value& block) {
  int threads = units(s, w.part);  // of a head
  Value slot = k.thread() / threads, unit = k.thread() % threads;
  Value turn = divided(block, w.split_magic), split = block - turn * w.splits;
  Value tokens = divided(k.constant(Type::i32, s.threads / threads), w.pass_magic);
  Value row = divided(slot, w.pass_magic), at = turn * tokens + row;
  Share mine;
  mine.token = tile * lists.tile + at;
  mine.live = (row < tokens) & (at < lists.tile) & (mine.token < lists.tokens);
  mine.first_head = split * w.group;
  mine.local_head = slot - row * w.pass;
  mine.column = unit * (columns(s, w.part) / (w.rotated ? 2 : 1));
  return mine;
}

}  // namespace pagejit::rope
