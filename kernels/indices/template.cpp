// Small lists of integers that other kernels read.
//
//   positions  batch_of[i] = b, positions[i] = i + lengths[b] − indptr[b + 1]   for indptr[b] <= i < indptr[b + 1]
//              batch_of[i] = −1, positions[i] = 0                               for every other i
//   seq_lens   out[b] = n > 0 ? (n − 1) · P + lengths[b] : 0                    with n = indptr[b + 1] − indptr[b]
//   pages slots      out[i] = page · P + positions[i] mod P                           P = rows a page; −1: nowhere
//   starts     out[b] = Σ lengths[c] over c < b
//
// One thread an item, whatever the sequences' lengths, and one block for starts.
#include "kernels/indices/template.h"

namespace pagejit::indices {
namespace {

using Parameters = Kernel::Parameters<Params>;

Value number(const Parameters& p, std::int32_t Params::*member) {
  return p(member, {.at_least = 0});
}

/// The item of this thread.
Value item(Kernel& k) {
  return k.program(0) * k.constant(Type::i32, threads(What::positions)) + k.thread();
}

/// How many elements of the ascending list [size] are not above `x`: a bit of the answer a step, from the highest down,
/// so that all threads take the same steps.
Value count_not_above(Kernel& k, const Pointer& list, const Value& size, const Value& steps, const Value& x) {
  Value zero = k.constant(Type::i32, 0), one = k.constant(Type::i32, 1);
  auto found = k.loop(zero, steps, one, {zero}, [&](Value step, std::vector<Tile>& state) {
    Value count(state[0]), tried = maximum(count, 0) + (one << (steps - 1 - step));
    Value inside = tried <= size;
    Value last(k.load(list + (tried - 1), inside, "last"));
    state[0] = select(inside & (last <= x), tried, count);
  });
  return Value(found[0]);
}

void positions(Kernel& k, const Parameters& p) {
  Pointer indptr = p.tensor(&Params::indptr, Elem::i32), lengths = p.tensor(&Params::lengths, Elem::i32);
  Pointer batch_of = p.tensor(&Params::batch_of, Elem::i32), out = p.tensor(&Params::positions, Elem::i32);
  Value i = item(k), live = i < number(p, &Params::items), batch = number(p, &Params::batch);
  // Of several sequences that begin here, all but the last are empty: the last one owns the token.
  Value count = count_not_above(k, indptr, batch + 1, number(p, &Params::steps), i);
  Value sequence = count - 1, owned = live & (count > 0) & (count <= batch);
  Value length(k.load(lengths + sequence, owned, "length"));
  Value end(k.load(indptr + count, owned, "end"));
  k.store(batch_of + i, Value(select(owned, sequence, k.constant(Type::i32, -1))), live);
  k.store(out + i, Value(select(owned, i + length - end, k.constant(Type::i32, 0))), live);
}

void seq_lens(Kernel& k, const Parameters& p) {
  Pointer indptr = p.tensor(&Params::indptr, Elem::i32), last_page = p.tensor(&Params::lengths, Elem::i32);
  Value b = item(k), live = b < number(p, &Params::items);
  Value first(k.load(indptr + b, live, "first"));
  Value end(k.load(indptr + (b + 1), live, "end"));
  Value rows(k.load(last_page + b, live, "rows"));
  Value pages = end - first, full = (pages - 1) * number(p, &Params::page);
  k.store(p.tensor(&Params::out, Elem::i32) + b, Value(select(pages > 0, full + rows, k.constant(Type::i32, 0))), live);
}

void slots(Kernel& k, const Spec& s, const Parameters& p) {
  Pointer pages = p.tensor(&Params::pages, s.from), batch_of = p.tensor(&Params::batch_of, Elem::i32);
  Pointer positions = p.tensor(&Params::positions, Elem::i32);
  Value i = item(k), live = i < number(p, &Params::items), size = p(&Params::page, {.at_least = 1});
  Value sequence(k.load(batch_of + i, live, "sequence"));
  Value position(k.load(positions + i, live, "position"));
  Value known = live & (sequence >= 0) & (position >= 0);
  sequence = maximum(sequence, 0), position = maximum(position, 0);
  Value entry(wide(position / size));
  if (s.pages == Pages::table) {
    entry = entry + Value(wide(sequence)) * p(&Params::table_row, {.at_least = 0});
  } else {
    Value first(k.load(p.tensor(&Params::indptr, Elem::i32) + sequence, known, "first"));
    entry = entry + Value(wide(first));
  }
  Value page(wide(k.load(pages + entry, known, "page")));
  Value slot = page * Value(wide(size)) + Value(wide(position % size));
  slot = Value(select(known & (page >= 0), slot, k.constant(Type::i64, -1)));
  k.store(p.tensor(&Params::out, s.to) + i, cast(slot, type_of(s.to)), live);
}

/// Running sums in the type that they are written in: exact in 64 bits, where 2^31 lengths below 2^31 fit; in 32 bits
/// they stop at the largest number.
struct Sums {
  Kernel& k;
  Type type;

  Value none() const { return k.constant(type, 0); }
  Value add(const Value& a, const Value& b) const {
    if (type == Type::i64) return a + b;
    return a + minimum(b, k.constant(Type::i32, 0x7fffffff) - a);
  }
  /// `x` of another lane.
  Value shuffled(MachineOp op, const Value& x, const Value& by) const {
    if (type == Type::i32) return maximum(k.machine(op, {x, by})[0], 0);
    Value low = k.machine(op, {Value(cast(x, Type::i32)), by})[0];
    Value high = k.machine(op, {Value(cast(x >> 32, Type::i32)), by})[0];
    Value low_bits = Value(wide(low)) & 0xffffffffll;
    return maximum((Value(wide(high)) << 32) | low_bits, 0);
  }
  /// The sum of `x` over the lanes up to and with this one.
  Value over_lanes(Value x) const {
    Value lane = k.thread() & 31;
    for (int by = 1; by < 32; by *= 2) {
      Value below = shuffled(MachineOp::shuffle_up, x, k.constant(Type::i32, by));
      x = add(x, Value(select(lane >= by, below, none())));
    }
    return x;
  }
  Value of_lane(const Value& x, const Value& lane) const { return shuffled(MachineOp::shuffle_index, x, lane); }
};

/// A warp's share of a turn: rows of 32 neighbours, one a lane, so that every access is one piece of memory.
struct Share {
  std::vector<Value> before;  // a row: the sum of all that stands before this lane's element, in the warp's share
  Value all;
};

Share sums_of_share(const Sums& sums, const std::vector<Value>& lengths) {
  Kernel& k = sums.k;
  Share share{{}, sums.none()};
  for (const Value& length : lengths) {
    Value to_here = sums.over_lanes(length);
    // Not to_here − length: a sum that stopped at the largest number knows no difference.
    Value below = sums.shuffled(MachineOp::shuffle_up, to_here, k.constant(Type::i32, 1));
    share.before.push_back(sums.add(share.all, Value(select((k.thread() & 31) > 0, below, sums.none()))));
    share.all = sums.add(share.all, sums.of_lane(to_here, k.constant(Type::i32, 31)));
  }
  return share;
}

/// A length as a number of the sums: never negative, and never above the largest i32.
Value clipped(const Value& stored, Type type) {
  Value length = maximum(stored, 0);
  if (length.type() == Type::i64) length = minimum(length, 0x7fffffffll);
  return Value(cast(length, type));
}

void starts(Kernel& k, const Spec& s, const Parameters& p) {
  constexpr int warps = threads(What::starts) / 32, turn = threads(What::starts) * sums_a_thread;
  static_assert(warps == 32, "a warp sums all warps' shares, a lane each");
  Sums sums{k, type_of(s.to)};
  Pointer lengths = p.tensor(&Params::lengths, s.from), out = p.tensor(&Params::out, s.to);
  // Two sets, used in turn: a warp that is ahead writes the one that no other warp reads any more.
  Pointer shares = k.shared("sum_of_warp", s.to, 2 * warps);
  Value zero = k.constant(Type::i32, 0), batch = number(p, &Params::batch), items = number(p, &Params::items);
  Value lane = k.thread() & 31, warp = k.thread() / 32, place = warp * (32 * sums_a_thread) + lane;
  auto load_turn = [&](const Value& first) {
    std::vector<Tile> row;
    for (int r = 0; r < sums_a_thread; ++r) {
      Value b = first + place + 32 * r;
      row.push_back(k.load(lengths + b, b < batch, "length"));
    }
    return row;
  };
  std::vector<Tile> carried = load_turn(zero);
  carried.push_back(sums.none());
  carried.push_back(zero);
  k.loop(zero, items, k.constant(Type::i32, turn), carried, [&](Value first, std::vector<Tile>& now) {
    std::vector<Value> mine;
    for (int r = 0; r < sums_a_thread; ++r) mine.push_back(clipped(Value(now[static_cast<std::size_t>(r)]), sums.type));
    Value before = maximum(Value(now[sums_a_thread]), 0), set(now[sums_a_thread + 1]);
    std::vector<Tile> next = load_turn(first + turn);  // under way while this turn is worked on
    Share share = sums_of_share(sums, mine);
    k.store(shares + (set + warp), share.all, lane == 0);
    k.barrier();
    Value of_warps = sums.over_lanes(maximum(Value(k.load(shares + (set + lane), "share")), 0));
    Value others = sums.of_lane(of_warps, maximum(warp - 1, 0));
    Value base = sums.add(before, Value(select(warp > 0, others, sums.none())));
    for (int r = 0; r < sums_a_thread; ++r) {
      Value b = first + place + 32 * r;
      k.store(out + b, sums.add(base, share.before[static_cast<std::size_t>(r)]), b < items);
    }
    for (int r = 0; r < sums_a_thread; ++r) now[static_cast<std::size_t>(r)] = next[static_cast<std::size_t>(r)];
    now[sums_a_thread] = sums.add(before, sums.of_lane(of_warps, k.constant(Type::i32, 31)));
    now[sums_a_thread + 1] = warps - set;
  });
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("indices", threads(s.what));
  k.dependency_wait();
  k.dependents_launch();  // not before the wait: what starts early then finds all but this kernel's work done
  switch (s.what) {
    case What::positions:
      positions(k, p);
      break;
    case What::seq_lens:
      seq_lens(k, p);
      break;
    case What::slots:
      slots(k, s, p);
      break;
    case What::starts:
      starts(k, s, p);
  }
  k.end();
}

}  // namespace pagejit::indices
