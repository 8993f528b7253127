#include "tests/kernels/attend_grid.h"

#include <algorithm>

#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

struct Dims {
  std::int64_t k, v;
  bool joint = false;
};
/// What models have, K and V of different widths, and widths that no fragment of a matrix product divides.
std::vector<Dims> all_dims() {
  return {{64, 64},   {80, 80},   {96, 96},   {112, 112},       {128, 128},       {128, 128}, {192, 192},
          {256, 256}, {192, 128}, {128, 192}, {576, 512, true}, {288, 256, true}, {100, 36},  {18, 50}};
}

struct Decks {
  Deck<Dims> dims{all_dims()};
  Deck<std::int64_t> group{{1, 1, 2, 3, 4, 4, 5, 7, 8, 16, 17, 71}}, kv_heads{{1, 2, 2, 3}};
  Deck<std::int64_t> page{{1, 2, 3, 16, 16, 32, 53, 61, 64, 128, 256}};
  Deck<Elem> elem{{Elem::bf16, Elem::f16}}, fp8{{Elem::e4m3, Elem::e5m2}}, meta{{Elem::f16, Elem::bf16, Elem::f32}};
  enum class Axes { nhd, hnd, flat };
  Deck<Axes> axes{{Axes::nhd, Axes::hnd, Axes::flat}};
  Deck<bool> wide_table{{false, true}}, wide_lengths{{false, true}}, lse{{true, true, false}}, inf{{false, true}},
      sinks{{false, false, true}}, alibi{{false, false, true}}, ragged{{false, false, true}},
      causal{{true, true, false}};
  enum class Queries { one, few, mixed };
  Deck<Queries> queries{{Queries::one, Queries::one, Queries::few, Queries::mixed}};
  Deck<std::int64_t> left{{-1, -1, 0, 7, 100}}, right{{-1, 0, 3}}, batch{{1, 2, 3, 5, 9}};
  Deck<double> softcap{{0, 0, 5, 30}};
  Deck<int> layers{{1, 1, 3}}, shift{{0, 0, 0, 8, 4, 2, 1, 3}}, parts{{0, 0, 1, 2, 5, 17}}, least{{0, 1, 3}},
      bulk{{0, 0, -1}};
};

/// Nothing, one, around the ends of pages, and any number.
std::int64_t next_length(const AttendCase& c, std::int64_t longest, Random& random) {
  switch (random() % 5) {
    case 0:
      return pick(random, 0, 1);
    case 1:
      return c.page * pick(random, 1, 3) + pick(random, -1, 1);
    default:
      return pick(random, 0, longest);
  }
}

void choose_sequences(AttendCase& c, Decks& d, const AttendGrid& grid, Random& random) {
  std::int64_t batch = d.batch.next(random), uniform = pick(random, 2, 8);
  Decks::Queries queries = d.queries.next(random);
  c.lengths.clear();
  std::int64_t left = grid.work / (c.heads * (c.dim_k + c.dim_v));  // products of a query and a key
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int64_t count = queries == Decks::Queries::one   ? 1
                         : queries == Decks::Queries::few ? uniform
                                                          : pick(random, 0, 5);
    std::int64_t length =
        std::min({next_length(c, grid.longest, random), grid.longest, left / std::max<std::int64_t>(count, 1)});
    left -= length * count;
    c.lengths.push_back(length), c.queries.push_back(count);
  }
  c.ragged = d.ragged.next(random);
}

void choose_cache(AttendCase& c, Decks& d, Quant quant, Random& random) {
  Dims dims = d.dims.next(random);
  if (quant == Quant::int4 && dims.joint) dims = {96, 64};  // a joint row has no halves of bytes
  c.quant = quant;
  c.dim_k = dims.k, c.dim_v = dims.v, c.joint = dims.joint;
  c.kv_heads = c.joint ? 1 : d.kv_heads.next(random), c.heads = c.kv_heads * d.group.next(random);
  c.page = d.page.next(random);
  c.elem = d.elem.next(random), c.fp8 = d.fp8.next(random), c.meta = d.meta.next(random);
  Decks::Axes axes = d.axes.next(random);
  // A 3-D cache has no axes in which scales of its rows could be given.
  c.flat = axes == Decks::Axes::flat && !model_metadata(quant);
  c.layout = axes == Decks::Axes::hnd ? CacheLayout::hnd : CacheLayout::nhd;
  c.layers = c.flat ? 1 : d.layers.next(random), c.shift = d.shift.next(random);
}

AttendCase next_case(Decks& d, Deck<Quant>& quants, const AttendGrid& grid, Random& random) {
  AttendCase c;
  choose_cache(c, d, quants.next(random), random);
  choose_sequences(c, d, grid, random);
  c.table = d.wide_table.next(random) ? Elem::i64 : Elem::i32;
  c.lengths_elem = d.wide_lengths.next(random) ? Elem::i64 : Elem::i32;
  c.causal = d.causal.next(random);
  c.left = d.left.next(random), c.right = d.right.next(random);
  c.softcap = d.softcap.next(random);
  c.sinks = d.sinks.next(random), c.alibi = d.alibi.next(random);
  c.lse = d.lse.next(random), c.empty_lse_pos_inf = d.inf.next(random);
  c.tuning = {.parts = d.parts.next(random), .least = d.least.next(random), .bulk = d.bulk.next(random)};
  c.seed = random();
  return c;
}

}  // namespace

std::vector<AttendCase> attend_cases(const AttendGrid& grid) {
  Random random(grid.seed);
  Decks decks;
  Deck<Quant> quants(grid.quants);
  std::vector<AttendCase> all;
  for (std::size_t i = 0; i < grid.cases; ++i) all.push_back(next_case(decks, quants, grid, random));
  return all;
}

std::vector<std::string> run_attend_grid(Context& context, const AttendGrid& grid, const PoisonFunction& poison) {
  return problems_of(attend_cases(grid), [&](const AttendCase& c) { return run_attend(context, c, poison); });
}

}  // namespace pagejit::tests
