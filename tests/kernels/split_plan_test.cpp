// Which part of a batch a team works on, as kernels work it out: early, from lists that may change until the wait.
#include "kernels/common/split_plan.h"

#include <algorithm>

#include "kernels/common/split_plan_early.h"
#include "tests/compiler/tile_program.h"
#include "tests/kernels/grid.h"
#include "tests/support/seed.h"

namespace pagejit::test {
namespace {

constexpr int keys = 32, parts = 5, room = 128;  // of each list

using Numbers = std::vector<std::int32_t>;

struct Lists {
  Numbers lengths, indptr;  // the second may be empty: one query each
};

/// What each part is, and the length of its first sequence.
Numbers expected(const Lists& lists) {
  Numbers ends, all;
  for (std::size_t b = 0; b < lists.lengths.size(); ++b) {
    bool some = lists.indptr.empty() || lists.indptr[b] < lists.indptr[b + 1];
    int tiles = some ? std::max((lists.lengths[b] + keys - 1) / keys, 1) : 0;
    ends.push_back((ends.empty() ? 0 : ends.back()) + tiles);
  }
  int total = ends.back(), each = total / parts, longer = total % parts;
  auto ended = [&](int tile) { return std::upper_bound(ends.begin(), ends.end(), tile) - ends.begin(); };
  for (int p = 0; p < parts; ++p) {
    int from = p * each + std::min(p, longer), to = (p + 1) * each + std::min(p + 1, longer);
    auto first = ended(from), last = from < to ? ended(to - 1) : first - 1;
    std::int32_t start = first > 0 ? ends[static_cast<std::size_t>(first - 1)] : 0;
    std::int32_t length = from < to ? lists.lengths[static_cast<std::size_t>(first)] : 0;
    for (auto n : {from, to, static_cast<int>(first), static_cast<int>(last), start, length}) all.push_back(n);
  }
  return all;
}

SplitBatch batch_of(Kernel& k, const Pointer& in, const Lists& lists) {
  auto number = [&](std::size_t n) { return k.constant(Type::i32, static_cast<std::int64_t>(n)); };
  SplitBatch b;
  b.lengths = in, b.indptr = in + number(room), b.ragged = !lists.indptr.empty();
  b.batch = number(lists.lengths.size()), b.queries = number(1);
  b.keys = keys, b.parts = number(parts), b.least = number(1);
  return b;
}

/// The same by a kernel that writes `later` over `early` where others wait.
Numbers confirmed(const Lists& early, const Lists& later, int settled) {
  Numbers in(4 * room);
  int at = 0;
  for (const Numbers* list : {&early.lengths, &early.indptr, &later.lengths, &later.indptr})
    std::copy(list->begin(), list->end(), in.begin() + room * at++);
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer lists = p.tensor(&Params::in, Elem::i32), out = p.tensor(&Params::out, Elem::i32);
    std::vector<EarlySplit> splits;
    for (int part = 0; part < parts; ++part)
      splits.emplace_back(k, batch_of(k, lists, early), k.constant(Type::i32, part), k.constant(Type::i32, settled));
    k.barrier();
    for (int from = 0; from < 2 * room; from += 32) {
      Tile other = k.load(lists + (k.thread() + (from + 2 * room)), "other");
      k.store(lists + (k.thread() + from), other);
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

Lists some_lists(int sequences, std::mt19937_64& random) {
  Lists all;
  for (int i = 0; i < sequences; ++i) all.lengths.push_back(static_cast<std::int32_t>(tests::pick(random, 0, 300)));
  return all;
}

}  // namespace

TEST_CASE("split plan: lists that changed until the wait are what the part is made of, if they were not settled") {
  auto random = random_for("split plan: changed");
  for (int sequences : {1, 2, 31, 32, 33, 100}) {
    CAPTURE(sequences);
    Lists early = some_lists(sequences, random), later = some_lists(sequences, random);
    CHECK(confirmed(early, later, 0) == expected(later));
    CHECK(confirmed(early, early, 0) == expected(early));
    // A promise that is broken shows: nothing is read again.
    if (sequences <= 32) CHECK(confirmed(early, later, 1) == expected(early));
  }
}

TEST_CASE("split plan: one number that changed, be it the last one by one, is enough") {
  auto random = random_for("split plan: one");
  for (int sequences : {1, 8, 32}) {
    Lists early = some_lists(sequences, random), later = early;
    later.lengths.back() += 1;
    CHECK(confirmed(early, later, 0) == expected(later));
    early.indptr.assign(early.lengths.size() + 1, 0);
    for (std::size_t b = 0; b < early.lengths.size(); ++b) early.indptr[b + 1] = early.indptr[b] + 2;
    later = early, later.indptr.back() -= 2;  // no queries
    if (sequences > 1) CHECK(confirmed(early, later, 0) == expected(later));
    CHECK(confirmed(later, early, 0) == expected(early));
  }
}

TEST_CASE("split plan: before the wait lists may say anything") {
  auto random = random_for("split plan: anything");
  constexpr std::int32_t most = 0x7fffffff;
  for (std::int32_t n : {most, -1, -most - 1, 1 << 29, (1 << 30) + 7}) {
    Lists later = some_lists(32, random), early{Numbers(32, n), {}};
    CHECK(confirmed(early, later, 0) == expected(later));
    for (std::int32_t b = 0; b <= 32; ++b) early.indptr.push_back(b % 2 ? n : n / -2), later.indptr.push_back(b);
    CHECK(confirmed(early, later, 0) == expected(later));
  }
}

TEST_CASE("split plan: a sequence longer than what is added up early is planned all the same") {
  Lists lists{{5, (1 << 30) + 7, 40}, {}};
  for (int settled : {0, 1}) CHECK(confirmed(lists, lists, settled) == expected(lists));
}

}  // namespace pagejit::test
