#include "tests/kernels/merge_grid.h"

#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

struct Decks {
  Deck<Elem> in{{Elem::bf16, Elem::f16, Elem::f32}};
  enum class To { same, e4m3, e5m2 };
  Deck<To> to{{To::same, To::same, To::e4m3, To::e5m2}};
  Deck<std::int64_t> tokens{{0, 1, 2, 13, 64, 100, 613}}, heads{{1, 3, 4, 8, 16, 48, 64, 127}};
  Deck<std::int64_t> dim{{1, 5, 32, 36, 48, 64, 80, 96, 112, 128, 192, 256, 512, 1031}};
  Deck<bool> lse{{true, true, false}}, by_head{{false, true}}, on_device{{false, true}};
  Deck<float> scale{{0, 0.37f, 4, 1e-4f}};
  enum class Context { all, some, none };
  Deck<Context> context{{Context::all, Context::some, Context::some, Context::none}};
  Deck<MergeCase::Into> into{
      {MergeCase::Into::own, MergeCase::Into::own, MergeCase::Into::prefix, MergeCase::Into::suffix}};
  Deck<int> gap{{0, 16, 48}}, shift{{0, 0, 0, 8, 4, 2, 1, 3}};
};

MergeCase next_case(Decks& d, const MergeGrid& grid, Random& random) {
  MergeCase c;
  c.in = d.in.next(random);
  Decks::To to = d.to.next(random);
  c.to = to == Decks::To::same ? c.in : to == Decks::To::e4m3 ? Elem::e4m3 : Elem::e5m2;
  c.heads = d.heads.next(random), c.dim = d.dim.next(random);
  c.tokens = std::min(d.tokens.next(random), std::max<std::int64_t>(1, grid.elements / (c.heads * c.dim)));
  c.lse = d.lse.next(random);
  c.axes = d.by_head.next(random) ? LseAxes::heads_tokens : LseAxes::tokens_heads;
  float scale = d.scale.next(random);
  if (c.to != c.in) c.scale = scale;
  Decks::Context context = d.context.next(random);
  if (context != Decks::Context::all) c.context = context == Decks::Context::none ? 0 : pick(random, 0, c.tokens);
  c.on_device = d.on_device.next(random) && c.context >= 0;
  MergeCase::Into into = d.into.next(random);
  if (c.to == c.in) c.into = into;
  c.gap = d.gap.next(random), c.shift = d.shift.next(random);
  c.seed = random();
  return c;
}

}  // namespace

std::vector<MergeCase> merge_cases(const MergeGrid& grid) {
  Random random(grid.seed);
  Decks decks;
  std::vector<MergeCase> all;
  for (std::size_t i = 0; i < grid.cases; ++i) all.push_back(next_case(decks, grid, random));
  return all;
}

std::vector<std::string> run_merge_grid(Context& context, const MergeGrid& grid, const PoisonFunction& poison) {
  return problems_of(merge_cases(grid), [&](const MergeCase& c) { return run_merge(context, c, poison); });
}

}  // namespace pagejit::tests
