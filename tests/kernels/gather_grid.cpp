// The sampled grid of gathers that every device must get right.
#include <algorithm>
#include <initializer_list>

#include "tests/kernels/gather_case.h"
#include "tests/kernels/grid.h"

namespace pagejit::tests {
namespace {

using Kind = GatherCase::Kind;

template <class T>
T one_of(Random& random, std::initializer_list<T> values) {
  return values.begin()[random() % values.size()];
}

void choose_elems(GatherCase& c, Random& random) {
  const auto floats = {Elem::bf16, Elem::f16, Elem::f32};
  c.to = one_of(random, floats);
  if (c.kind == Kind::mla) {
    c.to = one_of(random, {Elem::bf16, Elem::f16});
  } else if (random() % 3 == 0) {
    c.scaled = true, c.from = one_of(random, {Elem::e4m3, Elem::e5m2});
  } else if (random() % 3 == 0) {
    c.from = c.to = one_of(random, {Elem::e4m3, Elem::e5m2, Elem::u8, Elem::i8});
  } else {
    c.from = random() % 2 ? c.to : one_of(random, floats);
  }
}

void choose_sequences(GatherCase& c, Random& random) {
  c.lengths.clear();
  std::int64_t room = std::max<std::int64_t>(8, 30'000 / (c.kind == Kind::mla ? 576 : c.dim) / std::max(1, c.heads));
  for (std::int64_t b = pick(random, 0, 6); b > 0; --b) {
    c.lengths.push_back(std::min(room, one_of<std::int64_t>(random, {0, 1, c.page, c.page + 1, pick(random, 0, 60)})));
    room -= c.lengths.back();
  }
  if (random() % 3 != 0)
    for (std::size_t b = 0; b < c.lengths.size(); ++b)
      c.seq_starts.push_back(one_of<std::int64_t>(random, {0, c.page, pick(random, 0, 5 * c.page)}));
  std::int64_t end = 0;
  for (std::int64_t length : c.lengths) {
    end += pick(random, 0, 3);
    c.starts.push_back(end);
    end += length;
  }
  if (random() % 2) c.starts.clear();
  c.rows = std::max<std::int64_t>(1, end + pick(random, -5, 20));
}

GatherCase next_case(Random& random) {
  GatherCase c;
  c.kind = one_of(random, {Kind::rows, Kind::rows, Kind::mla, Kind::indexer});
  c.page = one_of(random, {1, 16, 61, 64});
  c.dim = c.kind == Kind::indexer ? one_of(random, {128, 128, 256, 64, 320}) : one_of(random, {1, 8, 64, 320, 576});
  if (c.kind == Kind::rows && random() % 2) c.heads = one_of(random, {1, 3});
  if (c.kind == Kind::mla && random() % 2) {
    c.flatten = true, c.heads = one_of(random, {1, 3});
    c.layout = random() % 2 ? FlattenArgs::Out::hsd : FlattenArgs::Out::shd;
  }
  choose_elems(c, random);
  choose_sequences(c, random);
  if (c.flatten) c.seq_starts.clear();
  c.tail = one_of(random, {flatten::Tail::untouched, flatten::Tail::zero});
  c.table = one_of(random, {Elem::i32, Elem::i64}), c.lengths_elem = one_of(random, {Elem::i32, Elem::i64});
  c.layers = one_of(random, {1, 3}), c.shift = one_of(random, {0, 0, 8, 4, 2, 1, 3});
  c.f32_scales = random() % 2;
  c.seed = random();
  return c;
}

}  // namespace

std::vector<std::string> run_gather_grid(Context& context, std::size_t cases, std::uint64_t seed,
                                         const PoisonFunction& poison) {
  Random random(seed);
  std::vector<GatherCase> all;
  for (std::size_t i = 0; i < cases; ++i) all.push_back(next_case(random));
  return problems_of(all, [&](const GatherCase& c) { return run_gather(context, c, poison); });
}

}  // namespace pagejit::tests
