#include "kernels/common/ragged.h"

namespace pagejit {
namespace {

constexpr std::int64_t last_row = 0x7fffffff;

/// a + b, no further than the last row: neither wraps.
Value saturated(Kernel& k, const Value& a, const Value& b) {
  return a + minimum(b, k.constant(Type::i32, last_row) - a);
}

Value shuffled(Kernel& k, MachineOp op, const Value& x, const Value& by) {
  return k.machine(op, {x, by})[0];
}

/// The sum of `x` (≥ 0) over the lanes up to and with this one, no further than the last row.
Value sum_to_here(Kernel& k, const Value& lane, Value x) {
  for (int by = 1; by < 32; by *= 2) {
    Value below = shuffled(k, MachineOp::shuffle_up, x, k.constant(Type::i32, by));
    x = saturated(k, x, Value(select(lane >= by, maximum(below, 0), k.constant(Type::i32, 0))));
  }
  return x;
}

/// The block's rows that a lane's sequence covers, from ≤ row < to, and its token at the block's row 0.
struct Span {
  Value sequence, from, to, token, note;
};

/// What a warp carries from one turn to the next.
enum { total_, length_, reach_, owner_, token_, carried_, note_ = carried_, owner_note_, carried_with_note_ };

/// Lanes whose sequence touches the block tell the others, one after another: nearly always one lane of all.
void hear(Kernel& k, const Span& span, std::vector<Tile>& now) {
  Value row = k.thread(), zero = k.constant(Type::i32, 0);
  Value votes = k.machine(MachineOp::ballot, {Value(cast(span.from < span.to, Type::i32))})[0];
  std::vector<Tile> first{votes, now[owner_], now[token_]};
  if (span.note) first.push_back(now[owner_note_]);
  auto heard =
      k.loop(zero, Value(count_bits(votes)), k.constant(Type::i32, 1), first, [&](Value, std::vector<Tile>& state) {
        Value left(state[0]), lane(lowest_bit(left));
        state[0] = left & (left - 1);
        auto tell = [&](const Value& v) { return shuffled(k, MachineOp::shuffle_index, v, lane); };
        Value sequence = tell(span.sequence);
        Value from = tell(span.from);
        Value to = tell(span.to);
        Value token = tell(span.token);
        Value takes = (row >= from) & (row < to) & (sequence > Value(state[1]));
        state[1] = select(takes, sequence, state[1]);
        state[2] = select(takes, token + row, state[2]);
        if (span.note) {
          Value note = tell(span.note);
          state[3] = select(takes, note, state[3]);
        }
      });
  now[owner_] = heard[1];
  now[token_] = heard[2];
  if (span.note) now[owner_note_] = heard[3];
}

}  // namespace

Value row_number(const Value& stored, std::int64_t least) {
  if (stored.type() == Type::i32) return maximum(stored, least);
  Value clipped = minimum(maximum(stored, least), last_row);
  return Value(cast(clipped, Type::i32));
}

RowOwner find_owner(Kernel& k, const Ragged& ragged, const Value& first_row, const Value& rows, const Note& note) {
  Value zero = k.constant(Type::i32, 0), lane = k.thread() & 31;
  auto length_of = [&](const Value& sequence) {
    Value live = sequence < ragged.batch;
    if (!ragged.indptr) return row_number(Value(k.load(ragged.lengths + sequence, live, "length")), 0);
    Value start(k.load(ragged.starts + sequence, live, "start"));
    Value next(k.load(ragged.starts + (sequence + 1), live, "next"));
    return row_number(next - start, 0);
  };
  std::vector<Tile> known(note ? carried_with_note_ : carried_, zero);
  // Of a later turn they are under way while this one is worked on.
  auto look_at = [&](const Value& sequence, std::vector<Tile>& now) {
    Value length = length_of(sequence);
    now[length_] = length;
    if (note) now[note_] = note(sequence, sequence < ragged.batch, length);
  };
  look_at(lane, known);
  known[owner_] = k.constant(Type::i32, -1);
  known = k.loop(zero, ragged.batch, k.constant(Type::i32, 32), known, [&](Value first, std::vector<Tile>& now) {
    Value sequence = first + lane, live = sequence < ragged.batch, length(now[length_]), start = zero;
    Value noted = note ? Value(now[note_]) : Value();
    length = maximum(length, 0);  // what is known of a value does not survive the loop's edge
    if (ragged.computed) {
      Value before(now[total_]), sum = sum_to_here(k, lane, length);
      // Not sum − length: a sum that was cut off at the last row would give a start before it.
      Value below = shuffled(k, MachineOp::shuffle_up, sum, k.constant(Type::i32, 1));
      start = saturated(k, maximum(before, 0), Value(select(lane > 0, maximum(below, 0), zero)));
      now[total_] =
          saturated(k, maximum(before, 0), shuffled(k, MachineOp::shuffle_index, sum, k.constant(Type::i32, 31)));
    } else {
      start = row_number(Value(k.load(ragged.starts + sequence, live, "start")), -1);
      live = live & (start >= 0);
      start = maximum(start, 0);
    }
    look_at(sequence + 32, now);
    // In rows of this block, clipped to it.
    Value from = minimum(maximum(start - first_row, 0), rows);
    Value to = minimum(maximum(saturated(k, start, length) - first_row, 0), rows);
    Span span{sequence, from, Value(select(live, to, zero)), first_row - start, noted};
    now[reach_] = maximum(Value(now[reach_]), k.machine(MachineOp::reduce_max, {span.to})[0]);
    hear(k, span, now);
  });
  return {Value(known[owner_]), Value(known[token_]), k.thread() >= Value(known[reach_]),
          note ? Value(known[owner_note_]) : Value()};
}

}  // namespace pagejit
