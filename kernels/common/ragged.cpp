#include "kernels/common/ragged.h"

namespace pagejit {
namespace {

Value shuffle_up(Kernel& k, const Value& x, int by) {
  auto one = [&](const Value& v) { return k.machine(MachineOp::shuffle_up, {v, k.constant(Type::i32, by)})[0]; };
  Value low = one(Value(cast(x, Type::i32)));
  Value high = one(Value(cast(x >> 32, Type::i32)));
  return (Value(wide(high)) << 32) | (Value(wide(low)) & k.constant(Type::i64, 0xffffffff));
}

/// Exclusive prefix sums of `x` (i64) over the block's threads, and the sum of all.
struct Prefix {
  Value before, total;
};

Prefix prefix_sum(Kernel& k, const Value& x, const Pointer& totals) {
  Value thread = k.thread(), lane = thread & 31, warp = thread >> 5;
  Value sum = x;
  for (int by = 1; by < 32; by *= 2) {
    Value below = shuffle_up(k, sum, by);
    sum = sum + Value(select(lane >= by, below, k.constant(Type::i64, 0)));
  }
  k.store(totals + warp, sum, lane == 31);
  k.barrier();
  Value before = sum - x, total = k.constant(Type::i64, 0);
  for (int w = 0; w < k.warps(); ++w) {
    Value one(k.load(totals + k.constant(Type::i32, w), "warp_total"));
    before = before + Value(select(warp > w, one, k.constant(Type::i64, 0)));
    total = total + one;
  }
  k.barrier();  // the totals may be written again
  return {before, total};
}

}  // namespace

RowOwner find_owner(Kernel& k, const Ragged& ragged, const Value& first_row, const Value& rows, int threads) {
  Value thread = k.thread(), lane = thread & 31;
  Value zero = k.constant(Type::i64, 0), limit(wide(rows));

  // The sequences that reach into the block's rows: their number, first and last row here, and token at row 0.
  Pointer found = k.shared("found", Elem::i32, 1), reach = k.shared("reach", Elem::i32, 1);
  Pointer sequence_of = k.shared("sequence_of", Elem::i32, threads);
  Pointer first_of = k.shared("first_of", Elem::i32, threads), last_of = k.shared("last_of", Elem::i32, threads);
  Pointer token_of = k.shared("token_of", Elem::i64, threads);
  Pointer totals = ragged.computed ? k.shared("totals", Elem::i64, k.warps()) : Pointer();
  Value none = k.constant(Type::i32, 0);
  k.store(found, none, thread == 0);
  k.store(reach, none, thread == 0);
  k.barrier();

  k.loop(none, ragged.batch, k.constant(Type::i32, threads), {zero}, [&](Value first, std::vector<Tile>& carried) {
    Value sequence = first + thread, live = sequence < ragged.batch;
    Value length(wide(k.load(ragged.lengths + sequence, live, "length")));
    Value start = zero;
    if (ragged.computed) {
      Prefix sum = prefix_sum(k, length, totals);
      start = Value(carried[0]) + sum.before;
      carried[0] = Value(carried[0]) + sum.total;
    } else {
      start = Value(wide(k.load(ragged.starts + sequence, live, "start")));
    }
    // In rows of this block, clipped to it: everything past here is small.
    Value from(cast(minimum(maximum(start - first_row, zero), limit), Type::i32));
    Value to(cast(minimum(maximum(start + length - first_row, zero), limit), Type::i32));
    Value mine = live & (from < to);
    k.when(mine, [&] {
      Value at = k.machine(MachineOp::shared_atomic_add, {Value(found.address()), k.constant(Type::i32, 1)})[0];
      Value room = at < threads;  // more than a block's rows can only come from sequences that overlap
      k.store(sequence_of + at, sequence, room);
      k.store(first_of + at, from, room);
      k.store(last_of + at, to, room);
      k.store(token_of + at, first_row - start, room);
    });
    // How far the sequences reach. Nearly always past the block: one vote tells, and one thread a warp says so.
    Value past = live & (to >= rows);
    Value votes = k.machine(MachineOp::ballot, {Value(cast(past, Type::i32))})[0];
    Value speaks = ((lane == 0) & (votes != 0)) | (live & (to > 0) & (to < rows));
    k.when(speaks, [&] {
      Value far(select(votes != 0, rows, to));
      k.machine(MachineOp::shared_atomic_max, {Value(reach.address()), far});
    });
  });
  k.barrier();

  Value count(k.load(found, "found"));
  Value reached(k.load(reach, "reach"));
  std::vector<Tile> owner = k.loop(none, minimum(count, k.constant(Type::i32, threads)), k.constant(Type::i32, 1),
                                   {k.constant(Type::i32, -1), zero}, [&](Value i, std::vector<Tile>& carried) {
    Value first(k.load(first_of + i, "first")), last(k.load(last_of + i, "last"));
    Value sequence(k.load(sequence_of + i, "sequence"));
    Value token(k.load(token_of + i, "token"));
    Value takes = (thread >= first) & (thread < last) & (sequence > Value(carried[0]));
    carried[0] = select(takes, sequence, carried[0]);
    carried[1] = select(takes, token + wide(thread), carried[1]);
  });
  return {Value(owner[0]), Value(owner[1]), thread >= reached};
}

}  // namespace pagejit
