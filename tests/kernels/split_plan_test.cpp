// Which part of a batch a team works on, as kernels work it out: early, from lists that may change until the wait.
#include "kernels/common/split_plan.h"

#include <algorithm>

#include "kernels/common/split_plan_early.h"
#include "tests/compiler/tile_program.h"
#include "tests/kernels/grid.h"
#include "tests/support/seed.h"

namespace pagejit::test {
namespace {

constexpr int keys = 32, parts = 5, most_sequences = 100;

using Numbers = std::vector<std::int32_t>;

SplitBatch batch_of(Kernel& k, const Pointer& lengths, int sequences) {
  auto number = [&](int n) { return k.constant(Type::i32, n); };
  SplitBatch b;
  b.lengths = lengths, b.batch = number(sequences), b.queries = number(1);
  b.keys = keys, b.parts = number(parts), b.least = number(1);
  return b;
}

/// What each part is, and the length of its first sequence.
Numbers expected(const Numbers& lengths) {
  Numbers ends, all;
  for (std::int32_t n : lengths) ends.push_back((ends.empty() ? 0 : ends.back()) + std::max((n + keys - 1) / keys, 1));
  int total = ends.back(), each = total / parts, longer = total % parts;
  auto ended = [&](int tile) { return std::upper_bound(ends.begin(), ends.end(), tile) - ends.begin(); };
  for (int p = 0; p < parts; ++p) {
    int from = p * each + std::min(p, longer), to = (p + 1) * each + std::min(p + 1, longer);
    auto first = ended(from), last = from < to ? ended(to - 1) : first - 1;
    std::int32_t start = first > 0 ? ends[static_cast<std::size_t>(first - 1)] : 0;
    std::int32_t length = from < to ? lengths[static_cast<std::size_t>(first)] : 0;
    for (auto n : {from, to, static_cast<int>(first), static_cast<int>(last), start, length}) all.push_back(n);
  }
  return all;
}

/// The same by a kernel. While it waits, so to speak, it writes `later` where `early` was.
Numbers confirmed(const Numbers& early, const Numbers& later, int settled) {
  int sequences = static_cast<int>(early.size());
  Numbers in(2 * most_sequences);
  std::copy(early.begin(), early.end(), in.begin());
  std::copy(later.begin(), later.end(), in.begin() + most_sequences);
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer lengths = p.tensor(&Params::in, Elem::i32), out = p.tensor(&Params::out, Elem::i32);
    std::vector<EarlySplit> splits;
    for (int part = 0; part < parts; ++part)
      splits.emplace_back(k, batch_of(k, lengths, sequences), k.constant(Type::i32, part),
                          k.constant(Type::i32, settled));
    k.barrier();
    for (int from = 0; from < sequences; from += 32) {
      Value b = k.thread() + from, live = b < sequences;
      Tile other = k.load(lengths + (b + most_sequences), live, "other");
      k.store(lengths + b, other, live);
    }
    k.barrier();
    for (int part = 0; part < parts; ++part) {
      EarlySplit& split = splits[static_cast<std::size_t>(part)];
      split.confirm();
      SplitPart is = split.part();
      Value length = split.sequence(is.first).length, none = k.constant(Type::i32, 0);
      int at = 6 * part;
      for (const Value& v : {is.from, is.to, is.first, is.last, is.start, Value(select(is.from < is.to, length, none))})
        k.store(out + (k.thread() + at++), v, k.thread() == 0);
    }
  };
  return run_block<std::int32_t>(32, in, 6 * parts, body);
}

Numbers some_lengths(int sequences, std::mt19937_64& random) {
  Numbers all;
  for (int i = 0; i < sequences; ++i) all.push_back(static_cast<std::int32_t>(tests::pick(random, 0, 300)));
  return all;
}

}  // namespace

TEST_CASE("split plan: lists that changed until the wait are what the part is made of, if they were not settled") {
  auto random = random_for("split plan: changed");
  for (int sequences : {1, 2, 31, 32, 33, 100}) {
    CAPTURE(sequences);
    Numbers early = some_lengths(sequences, random), later = some_lengths(sequences, random);
    CHECK(confirmed(early, later, 0) == expected(later));
    CHECK(confirmed(early, early, 0) == expected(early));
    // Others may write them only after they were read: the plan is that of the lists before the wait.
    if (sequences <= 32) CHECK(confirmed(early, later, 1) == expected(early));
  }
}

TEST_CASE("split plan: one length that changed, be it the last one's by one key, is enough") {
  auto random = random_for("split plan: one");
  for (int sequences : {1, 8, 32}) {
    Numbers early = some_lengths(sequences, random), later = early;
    later.back() += 1;
    CHECK(confirmed(early, later, 0) == expected(later));
  }
}

TEST_CASE("split plan: before the wait lists may say anything") {
  auto random = random_for("split plan: anything");
  constexpr std::int32_t most = 0x7fffffff;
  for (std::int32_t n : {most, -1, -most - 1, 1 << 29, (1 << 30) + 7}) {
    Numbers later = some_lengths(32, random);
    CHECK(confirmed(Numbers(32, n), later, 0) == expected(later));
  }
}

TEST_CASE("split plan: a sequence longer than what is added up early is planned all the same") {
  Numbers lengths{5, (1 << 30) + 7, 40};
  for (int settled : {0, 1}) CHECK(confirmed(lengths, lengths, settled) == expected(lengths));
}

}  // namespace pagejit::test
