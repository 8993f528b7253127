// Rotates, scales, quantises, and puts K and V where they belong.
//
//   neox         y[i] = x[i]·c[i] − x[i + R/2]·s[i]     y[i + R/2] = x[i + R/2]·c[i] + x[i]·s[i]
//   interleaved  y[2i] = x[2i]·c[i] − x[2i + 1]·s[i]    y[2i + 1]  = x[2i + 1]·c[i] + x[2i]·s[i]
//   out[token, head, :] = sat8(y · scale)                                            for i < R/2
//
// A block works on one part (rotated or plain, of Q, K or V) of some heads of some tokens; which, its number says. A
// thread holds one stretch of columns of one token and takes it through several heads: it looks up the token and loads
// its cosines and sines once. There is no shared memory and no barrier: a look-up is a chain of dependent loads, and
// threads that share a token share them. The data are on their way before the chain begins.
#include "kernels/rope/template.h"

#include "compiler/lowering.h"
#include "kernels/rope/template_blocks.h"
#include "kernels/rope/template_rotation.h"

namespace pagejit::rope {
namespace {

/// What a token's look-up gives.
struct Found {
  Value written;  // i1: the token is no padding
  Value origin;   // elements from the output's base to the token's head 0
  Value scale;    // empty: nothing is quantised
  Angles angles;  // empty: nothing is rotated
};

Found look_up(Kernel& k, const Spec& s, const Lists& lists, const Work& w, const Share& mine) {
  Found f;
  f.scale = w.scale.quantised ? load_scale(k, w.scale) : Value();
  Value position;
  if (w.rotated) position = Value(k.load(lists.pos_ids + mine.token, mine.live, "position_id"));
  if (s.into == Into::dense) {
    f.written = mine.live;
    f.origin = Value(wide(mine.token)) * w.out_page;
  } else if (w.query) {
    f.written = Value(is_written(k, lists.places, mine.token, mine.live));
    f.origin = Value(wide(mine.token)) * w.out_page;
  } else {
    Destination to = find_destination(k, lists.places, mine.token, mine.live);
    f.written = Value(to.page >= 0);
    f.origin = Value(to.page) * w.out_page + Value(wide(to.row)) * w.out_row;
  }
  if (w.rotated) f.angles = load_angles(k, s, lists, position, mine.column, f.written);
  return f;
}

/// One head's stretch of columns: where it is, and what was loaded.
struct Moving {
  Value live, head, at;
  std::vector<Tile> data;
};

Moving aim(const Work& w, const Share& mine, int turn) {
  Value local = mine.local_head + w.pass * turn, head = mine.first_head + local;
  Value at = Value(wide(mine.token)) * w.token_stride + Value(wide(head)) * w.head_stride;
  return {mine.live & (local < w.group) & (head < w.heads), head, at, {}};
}

void load(Kernel& k, const Spec& s, const Work& w, const Share& mine, Moving& m) {
  for (const Tile& column : columns_of(k, s, w.part, mine.column))
    m.data.push_back(k.load(w.in + (m.at + column), m.live, "data"));
}

std::vector<Tile> results(Kernel& k, const Spec& s, const Work& w, const Found& found, const Moving& m) {
  bool copied = !w.rotated && !w.scale.quantised;
  if (copied) return m.data;
  std::vector<Tile> values;
  for (const Tile& x : m.data) values.push_back(cast(x, Type::f32));
  if (w.rotated) values = rotate(k, s, values, found.angles);
  for (Tile& y : values) y = w.scale.quantised ? to_fp8(y * found.scale, w.out.elem()) : cast(y, type_of(w.out.elem()));
  return values;
}

void store(Kernel& k, const Spec& s, const Work& w, const Share& mine, const Found& found, const Moving& m) {
  std::vector<Tile> values = results(k, s, w, found, m), columns = columns_of(k, s, w.part, mine.column);
  Value at = found.origin + Value(wide(m.head)) * w.out_head;
  bool clears = w.query && s.padding == Padding::zero_row && s.into != Into::dense;
  for (std::size_t i = 0; i < values.size(); ++i) {
    k.store(w.out + (at + columns[i]), values[i], m.live & found.written);
    if (clears)
      k.store(w.out + (at + columns[i]), k.full(*columns[i].layout(), k.constant(type_of(w.out.elem()), 0)),
              m.live & (found.written == 0));
  }
}

void work(Kernel& k, const Spec& s, const Lists& lists, const Work& w, const Value& tile, const Value& block) {
  Share mine = share(k, s, lists, w, tile, block);
  std::vector<Moving> moving;
  for (int turn = 0; turn < heads_in_flight(s, w.part); ++turn) moving.push_back(aim(w, mine, turn));
  Found found;
  if (s.settled) found = look_up(k, s, lists, w, mine);
  // Always so, but the branch keeps the assembler from moving all arithmetic behind the wait.
  k.when(lists.tokens > 0, [&] { k.dependency_wait(); });
  k.dependents_launch();  // not before: the next kernel may be settled, on what the one before us still writes
  for (Moving& m : moving) load(k, s, w, mine, m);
  if (!s.settled) {
    // Without it the assembler sinks the loads behind the look-up, to have their registers later.
    k.machine(MachineOp::warp_sync, {});
    found = look_up(k, s, lists, w, mine);
  }
  for (const Moving& m : moving) store(k, s, w, mine, found, m);
}

/// if (block < first's blocks) first else (the others, with what is left of the number).
void choose(Kernel& k, const Spec& s, const Lists& lists, std::span<const Work> all, const Value& tile,
            const Value& block) {
  if (all.size() == 1) return work(k, s, lists, all[0], tile, block);
  k.when(
      block < all[0].blocks, [&] { work(k, s, lists, all[0], tile, block); },
      [&] { choose(k, s, lists, all.subspan(1), tile, block - all[0].blocks); });
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("rope", s.threads);
  Lists lists = make_lists(p, s);
  std::vector<Work> all = make_works(p, s);
  Value tile = tile_of(k, p);
  Value block = k.program(0) - tile * p(&Params::tile_blocks, {.at_least = 1});
  choose(k, s, lists, all, tile, block);
  k.end();
}

}  // namespace pagejit::rope
