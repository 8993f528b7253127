#include "tests/kernels/flatten_grid.h"

#include <algorithm>
#include <numeric>

#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

using flatten::Tail;

struct Decks {
  Deck<int> dim_k{{1, 8, 32, 64, 80, 96, 128, 192, 256, 512, 576}},
      dim_v{{1, 8, 32, 64, 80, 96, 128, 192, 256, 512, 576}};
  Deck<int> page{{1, 8, 16, 61, 64, 128, 256}}, heads{{1, 2, 3, 8}}, batch{{0, 1, 2, 3, 7}},
      shift{{0, 0, 8, 4, 2, 1, 3}};
  Deck<int> layers{{1, 1, 3}};
  Deck<Elem> kv{{Elem::bf16, Elem::f16, Elem::f32}}, to{{Elem::bf16, Elem::f16, Elem::f32}};
  Deck<Quant> quant{
      {Quant::none, Quant::none, Quant::none, Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4, Quant::turbo4}};
  Deck<Elem> fp8{{Elem::e4m3, Elem::e5m2}}, meta{{Elem::f16, Elem::bf16, Elem::f32}};
  Deck<int> power{{8, 32, 64, 128, 256}};
  Deck<Elem> table{{Elem::i32, Elem::i64}}, lengths{{Elem::i32, Elem::i64}}, starts_elem{{Elem::i32, Elem::i64}};
  Deck<bool> hnd{{false, true}}, hsd{{false, true}}, joint{{false, false, true}}, same{{true, true, false}},
      gaps{{false, true}};
  Deck<Tail> tail{{Tail::zero, Tail::zero, Tail::untouched}};
  enum class StartOrder { computed, packed, gaps, permuted };
  Deck<StartOrder> order{
      {StartOrder::computed, StartOrder::computed, StartOrder::packed, StartOrder::gaps, StartOrder::permuted}};
};

std::int64_t random_length(Random& random, std::int64_t page, std::int64_t most) {
  std::int64_t special[] = {
      0, 1, page - 1, page, page + 1, 2 * page, pick(random, 0, 3 * page + 2), pick(random, 0, 40)};
  return std::min(most, special[pick(random, 0, 7)]);
}

/// Gives each sequence its place, in the order that the case asks for; returns the end of the last one.
std::int64_t place(FlattenCase& c, Decks::StartOrder order, Random& random) {
  if (order == Decks::StartOrder::computed || c.lengths.empty()) return c.total();
  std::vector<std::size_t> turn(c.lengths.size());
  std::iota(turn.begin(), turn.end(), std::size_t{0});
  if (order == Decks::StartOrder::permuted) std::shuffle(turn.begin(), turn.end(), random);
  c.starts.resize(turn.size());
  std::int64_t row = 0;
  for (std::size_t b : turn) {
    if (order != Decks::StartOrder::packed) row += pick(random, 0, 9);
    c.starts[b] = row;
    row += c.lengths[b];
  }
  return row;
}

/// Turns a case into one of a quantised cache: dims that its codes allow.
void quantise(FlattenCase& c, Decks& d, Random& random) {
  c.quant = d.quant.next(random);
  if (c.quant == Quant::none) return;
  c.kv = d.fp8.next(random), c.meta = d.meta.next(random), c.to = d.to.next(random);
  if (c.quant == Quant::int4) c.dim_k += c.dim_k % 2, c.dim_v += c.dim_v % 2;
  if (c.quant == Quant::turbo4) c.dim_k = d.power.next(random), c.dim_v = d.power.next(random), c.joint = false;
}

FlattenCase next_case(Decks& d, const FlattenGrid& grid, Random& random) {
  FlattenCase c;
  c.kv = d.kv.next(random);
  c.to = d.same.next(random) ? c.kv : d.to.next(random);
  c.dim_k = d.dim_k.next(random), c.dim_v = d.dim_v.next(random);
  c.joint = d.joint.next(random);
  if (c.joint) c.dim_v = static_cast<int>(pick(random, 1, c.dim_k));
  quantise(c, d, random);
  c.heads = d.heads.next(random), c.page = d.page.next(random);
  c.layout = d.hnd.next(random) ? FlattenArgs::Layout::hnd : FlattenArgs::Layout::nhd;
  c.out = d.hsd.next(random) ? FlattenArgs::Out::hsd : FlattenArgs::Out::shd;
  c.tail = d.tail.next(random);
  c.zero_gaps = c.tail == Tail::zero && d.gaps.next(random);
  c.table = d.table.next(random), c.lengths_elem = d.lengths.next(random), c.starts_elem = d.starts_elem.next(random);
  c.layers = d.layers.next(random), c.shift = d.shift.next(random);
  c.seed = random();
  std::int64_t room = std::max<std::int64_t>(8, grid.elements / (c.heads * c.dim_k));
  c.lengths.clear();
  for (int b = d.batch.next(random); b > 0; --b) {
    c.lengths.push_back(random_length(random, c.page, room));
    room -= c.lengths.back();
  }
  std::int64_t end = place(c, d.order.next(random), random);
  std::int64_t tails[] = {0, 1, pick(random, 0, 2 * c.page), pick(random, 0, 40),
                          -pick(random, 0, std::min<std::int64_t>(end, 20))};
  c.out_rows = end + std::min(room + 20, tails[pick(random, 0, 4)]);
  return c;
}

}  // namespace

std::vector<FlattenCase> flatten_cases(const FlattenGrid& grid) {
  Random random(grid.seed);
  Decks decks;
  std::vector<FlattenCase> all;
  for (std::size_t i = 0; i < grid.cases; ++i) all.push_back(next_case(decks, grid, random));
  return all;
}

std::vector<std::string> run_flatten_grid(Context& context, const FlattenGrid& grid, const PoisonFunction& poison) {
  return problems_of(flatten_cases(grid), [&](const FlattenCase& c) { return run_flatten(context, c, poison); });
}

}  // namespace pagejit::tests
