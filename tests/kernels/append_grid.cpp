#include "tests/kernels/append_grid.h"

#include <algorithm>

#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

using Call = AppendCase::Call;

template <class T>
T one_of(Random& random, std::initializer_list<T> values) {
  return values.begin()[pick(random, 0, static_cast<std::int64_t>(values.size()) - 1)];
}

int some_dim(Random& random, Quant quant) {
  if (quant >= Quant::turbo4) return one_of(random, {4, 16, 64, 128, 256, 512});
  if (quant == Quant::int4) return one_of(random, {2, 8, 64, 80, 96, 128, 100, 256, 576});
  if (quant == Quant::fp8_group) return one_of(random, {1, 64, 128, 192, 256, 512, 576});
  return one_of(random, {1, 8, 32, 64, 80, 96, 128, 192, 256, 512, 576});
}

void choose_types(AppendCase& c, Random& random) {
  c.in = one_of(random, {Elem::bf16, Elem::f16, Elem::f32});
  c.stored = pick(random, 0, 2) ? c.in : one_of(random, {Elem::bf16, Elem::f16, Elem::f32});
  if (c.quant == Quant::none && pick(random, 0, 5) == 0) c.in = c.stored = one_of(random, {Elem::e4m3, Elem::u8});
  if (c.quant == Quant::fp8) c.stored = one_of(random, {Elem::e4m3, Elem::e5m2});
  c.meta = one_of(random, {Elem::f16, Elem::bf16, Elem::f32});
  c.rule = one_of(random, {ScaleRule::blocked, ScaleRule::mla, ScaleRule::indexer});
  c.power_of_two = pick(random, 0, 1), c.scale_a_head = pick(random, 0, 1);
  c.table = one_of(random, {Elem::i32, Elem::i64}), c.lengths = one_of(random, {Elem::i32, Elem::i64});
  c.starts = one_of(random, {append::Starts::computed, append::Starts::given, append::Starts::indptr});
}

void choose_quant(AppendCase& c, Random& random) {
  constexpr Quant all[] = {Quant::none, Quant::fp8,    Quant::fp8_group, Quant::int8,
                           Quant::int4, Quant::turbo4, Quant::none};
  if (c.call <= Call::reshape) c.quant = all[pick(random, 0, 6)];
  if (c.call == Call::concat && pick(random, 0, 1)) c.quant = Quant::fp8;
}

/// MLA's and the indexer's cells must keep their f32 numbers at multiples of 4.
void choose_dims(AppendCase& c, Random& random) {
  c.dim_k = some_dim(random, c.call == Call::indexer ? Quant::fp8_group : c.quant);
  c.dim_v = pick(random, 0, 3) ? some_dim(random, c.quant == Quant::turbo4 ? Quant::turbo2 : c.quant) : 0;
  if (pick(random, 0, 1) && c.dim_v > 0) c.dim_v = c.dim_k;
  if (c.call > Call::reshape && c.dim_v == 0) c.dim_v = 64;
  c.heads = one_of(random, {1, 2, 3, 8});
  c.page = one_of(random, {1, 8, 16, 61, 64, 128});
  if (c.call == Call::indexer) c.dim_k = one_of(random, {128, 64, 192}), c.page = one_of(random, {4, 16, 64});
}

AppendCase next_case(const AppendGrid& grid, Random& random) {
  AppendCase c;
  c.call = static_cast<Call>(pick(random, 0, 10) % 9);
  choose_quant(c, random);
  choose_types(c, random);
  choose_dims(c, random);
  if (c.call == Call::row656 || c.call == Call::fill656) c.in = one_of(random, {Elem::bf16, Elem::f16});
  if (c.call == Call::indexer) c.in = one_of(random, {Elem::bf16, Elem::f16, Elem::f32});
  c.layout = pick(random, 0, 1) ? CacheLayout::hnd : CacheLayout::nhd;
  c.layers = one_of(random, {1, 1, 3}), c.shift = one_of(random, {0, 0, 8, 4, 2, 1, 3});
  c.skip_each = one_of(random, {0, 1, 2, 3}), c.spare = one_of(random, {0, 0, 5});
  c.numbers = pick(random, 0, 1) && c.quant < Quant::turbo4 ? AppendCase::Numbers::awkward : AppendCase::Numbers::usual;
  c.seed = random();
  std::int64_t room = std::max<std::int64_t>(8, grid.elements / (c.heads * std::max(c.dim_k, c.dim_v)));
  c.sequences.clear();
  std::int64_t total = 0;
  for (std::int64_t b = pick(random, 0, 6); b > 0; --b) {
    std::int64_t lengths[] = {0, 1, c.page, pick(random, 0, 40), pick(random, 0, 3 * c.page)};
    std::int64_t histories[] = {0, 1, c.page - 1, c.page, pick(random, 0, 100), -pick(random, 0, 3)};
    std::int64_t length = std::min(room, lengths[pick(random, 0, 4)]);
    c.sequences.push_back({histories[pick(random, 0, 5)], length});
    room -= length, total += length;
  }
  if (pick(random, 0, 3) == 0) c.valid = static_cast<int>(pick(random, 0, total + 2));
  return c;
}

}  // namespace

std::vector<AppendCase> append_cases(const AppendGrid& grid) {
  Random random(grid.seed);
  std::vector<AppendCase> all;
  for (std::size_t i = 0; i < grid.cases; ++i) all.push_back(next_case(grid, random));
  return all;
}

std::vector<std::string> run_append_grid(Context& context, const AppendGrid& grid, const PoisonFunction& poison) {
  return problems_of(append_cases(grid), [&](const AppendCase& c) { return run_append(context, c, poison); });
}

}  // namespace pagejit::tests
