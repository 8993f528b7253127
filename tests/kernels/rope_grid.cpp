#include "tests/kernels/rope_grid.h"

#include <algorithm>

#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

using Call = RopeCase::Call;

struct Heads {
  int query, kv, rope, nope;
};
/// What models ask for, and what nobody does: odd numbers of heads, dims that no vector divides.
std::vector<Heads> gqa_heads() {
  return {{32, 8, 64, 64}, {64, 16, 128, 128}, {24, 6, 32, 96},    {32, 8, 128, 0}, {64, 8, 128, 0},
          {64, 8, 64, 0},  {32, 32, 64, 64},   {16, 16, 128, 128}, {8, 8, 32, 96},  {3, 1, 2, 0},
          {5, 3, 6, 5},    {7, 7, 36, 20},     {1, 1, 80, 112},    {9, 2, 66, 3}};
}
std::vector<Heads> mla_heads() {
  return {{128, 1, 64, 512}, {64, 1, 128, 256}, {128, 1, 64, 128}, {32, 1, 32, 96}, {3, 1, 18, 40}, {17, 1, 64, 72}};
}

struct Decks {
  Deck<Call> call{{Call::append, Call::append, Call::append_mla, Call::quantize}};
  Deck<Heads> gqa{gqa_heads()}, mla{mla_heads()};
  Deck<Elem> in{{Elem::bf16, Elem::bf16, Elem::f16, Elem::f32}};
  enum class To { e4m3, e5m2, same };
  Deck<To> q{{To::e4m3, To::e4m3, To::e5m2, To::same}}, kv{{To::e4m3, To::e4m3, To::e5m2, To::same}};
  Deck<bool> neox{{false, true}}, hnd{{false, true}}, by_slot{{false, true}}, wide_list{{false, true}},
      wide_pos{{false, true}}, zero_row{{false, true}}, in_memory{{false, true}}, settled{{false, true}},
      one_row{{false, true}}, all_heads{{false, true}};
  Deck<float> scale_q{{1, 0.37f, 13}}, scale_kv{{1, 0.37f, 13}};
  Deck<int> page{{1, 16, 16, 32, 61, 64}}, layers{{1, 1, 3}}, shift{{0, 0, 0, 8, 4, 2, 1, 3}}, dim_v{{64, 128, 24, 7}};
  Deck<int> tokens{{0, 1, 2, 3, 19, 33, 128, 199}};
  Deck<int> tuned{{0, 0, 0, 1, 2, 3}};
};

Elem elem(Decks::To to, Elem in) {
  return to == Decks::To::same ? in : to == Decks::To::e4m3 ? Elem::e4m3 : Elem::e5m2;
}

void pad_some(RopeCase& c, Random& random) {
  for (std::int64_t t = 0; t < c.tokens; ++t)
    if (random() % 4 == 0) c.padded.push_back(t);
  if (random() % 4 == 0) c.valid = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(c.tokens + 1));
}

RopeCase next_case(Decks& d, const RopeGrid& grid, Random& random) {
  RopeCase c;
  c.call = d.call.next(random);
  Heads h = c.call == Call::append_mla ? d.mla.next(random) : d.gqa.next(random);
  c.query_heads = h.query, c.kv_heads = h.kv, c.rope_dim = h.rope, c.nope_dim = h.nope;
  if (!d.all_heads.next(random)) {
    c.kv_heads = std::min(c.kv_heads, 3);
    c.query_heads = std::min(c.query_heads, 5);
  }
  c.dim_v = c.call == Call::append_mla ? 0 : d.dim_v.next(random);
  c.in = d.in.next(random);
  c.q = elem(d.q.next(random), c.in), c.kv = elem(d.kv.next(random), c.in);
  c.style = d.neox.next(random) ? rope::Style::neox : rope::Style::interleaved;
  c.layout = d.hnd.next(random) ? RopeAppendArgs::Layout::hnd : RopeAppendArgs::Layout::nhd;
  c.page = d.page.next(random), c.by_slot = d.by_slot.next(random);
  c.list = d.wide_list.next(random) ? Elem::i64 : Elem::i32, c.pos = d.wide_pos.next(random) ? Elem::i64 : Elem::i32;
  c.padding = d.zero_row.next(random) ? rope::Padding::zero_row : rope::Padding::skip_all;
  c.scale_q = c.q == c.in ? 1 : d.scale_q.next(random), c.scale_kv = c.kv == c.in ? 1 : d.scale_kv.next(random);
  c.scales_in_memory = d.in_memory.next(random), c.settled = d.settled.next(random);
  c.one_row = d.one_row.next(random) && c.nope_dim > 0;
  c.layers = d.layers.next(random), c.shift = d.shift.next(random);
  std::int64_t room = grid.elements / (c.query_heads * (c.rope_dim + c.nope_dim));
  c.tokens = std::min<std::int64_t>(d.tokens.next(random), std::max<std::int64_t>(room, 1));
  if (int tuned = d.tuned.next(random)) c.tuning = {64 << tuned, 1 << tuned, tuned, 1 << tuned};
  c.seed = random();
  pad_some(c, random);
  return c;
}

}  // namespace

std::vector<RopeCase> rope_cases(const RopeGrid& grid) {
  Random random(grid.seed);
  Decks decks;
  std::vector<RopeCase> all;
  for (std::size_t i = 0; i < grid.cases; ++i) all.push_back(next_case(decks, grid, random));
  return all;
}

std::vector<std::string> run_rope_grid(Context& context, const RopeGrid& grid, const ForbidFunction& forbid) {
  return problems_of(rope_cases(grid), [&](const RopeCase& c) { return run_rope(context, c, forbid); });
}

}  // namespace pagejit::tests
