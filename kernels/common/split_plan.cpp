#include "kernels/common/split_plan.h"

namespace pagejit {
namespace {

constexpr std::int64_t most_keys = 0x7fffffff - 1024;

Value lane_of(Kernel& k) {
  return k.thread() & 31;
}

/// A length or a count as it is stored, as an i32 that is never negative.
Value counted(const Value& stored) {
  if (stored.type() == Type::i32) return minimum(maximum(stored, 0), most_keys);
  return Value(cast(minimum(maximum(stored, 0), most_keys), Type::i32));
}

Value shuffled(Kernel& k, MachineOp op, const Value& x, std::int64_t by) {
  return k.machine(op, {x, k.constant(Type::i32, by)})[0];
}

Value sum_of_lanes(Kernel& k, Value x) {
  for (int by = 1; by < 32; by *= 2) x = x + shuffled(k, MachineOp::shuffle_xor, x, by);
  return maximum(x, 0);
}

Value sum_to_here(Kernel& k, Value x) {
  for (int by = 1; by < 32; by *= 2) {
    Value below = shuffled(k, MachineOp::shuffle_up, x, by);
    x = x + Value(select(lane_of(k) >= by, below, k.constant(Type::i32, 0)));
  }
  return x;
}

/// How many lanes say yes.
Value votes(Kernel& k, const Value& yes) {
  Value all = k.machine(MachineOp::ballot, {Value(cast(yes, Type::i32))})[0];
  return Value(count_bits(all));
}

}  // namespace

SplitPlan::SplitPlan(Kernel& k, const SplitBatch& batch) : k_(k), batch_(batch) {
  total_ = start_of(batch.batch);
  Value worthwhile = (total_ + (batch.least - 1)) / batch.least;
  Value parts = maximum(minimum(batch.parts, worthwhile), 1);
  size_ = total_ / parts;
  longer_ = total_ % parts;
}

SplitSequence SplitPlan::sequence(const Value& b) const {
  SplitSequence s;
  Value yes = b < batch_.batch;
  s.length = counted(Value(k_.load(batch_.lengths + b, yes, "length")));
  s.queries = batch_.queries, s.first_query = b * batch_.queries;
  if (batch_.ragged) {
    s.first_query = Value(k_.load(batch_.indptr + b, yes, "first_query"));
    s.first_query = maximum(s.first_query, 0);
    Value end(k_.load(batch_.indptr + (b + 1), yes, "end_query"));
    s.queries = maximum(end - s.first_query, 0);
  }
  s.first_tile = k_.constant(Type::i32, 0);
  if (batch_.window) s.first_tile = maximum(s.length - s.queries - batch_.left, 0) / batch_.keys;
  Value end = (s.length + (batch_.keys - 1)) / batch_.keys;
  s.tiles = Value(select(s.queries > 0, maximum(end - s.first_tile, 1), k_.constant(Type::i32, 0)));
  return s;
}

Value SplitPlan::tiles_of(const Value& b, const Value& live) const {
  return Value(select(live, sequence(b).tiles, k_.constant(Type::i32, 0)));
}

Value SplitPlan::first(const Value& part) const {
  Value start = part * size_ + minimum(part, longer_);
  return minimum(start, total_);
}

Value SplitPlan::part_of(const Value& tile) const {
  // The first `longer` parts have size + 1 tiles each.
  Value border = longer_ * (size_ + 1), after = maximum(tile - border, 0);
  Value later = longer_ + after / maximum(size_, 1);
  return Value(select(tile < border, tile / (size_ + 1), later));
}

Value SplitPlan::start_of(const Value& b) const {
  Value zero = k_.constant(Type::i32, 0);
  auto sums = k_.loop(zero, b, k_.constant(Type::i32, 32), {zero}, [&](Value first, std::vector<Tile>& sum) {
    Value before = first + lane_of(k_);
    sum[0] = sum[0] + tiles_of(before, before < b);
  });
  return sum_of_lanes(k_, Value(sums[0]));
}

SplitPlan::Found SplitPlan::find(const Value& from, const Value& to) const {
  Value zero = k_.constant(Type::i32, 0), last_tile = to - 1;
  enum { before_, first_, last_, start_ };
  std::vector<Tile> carried(4, zero);
  auto found = k_.loop(zero, batch_.batch, k_.constant(Type::i32, 32), carried, [&](Value b0, std::vector<Tile>& now) {
    Value b = b0 + lane_of(k_), live = b < batch_.batch;
    Value end = Value(now[before_]) + sum_to_here(k_, tiles_of(b, live));
    Value over = live & (end <= from);
    now[first_] = now[first_] + votes(k_, over);
    now[last_] = now[last_] + votes(k_, live & (end <= last_tile));
    Value start = k_.machine(MachineOp::reduce_max, {Value(select(over, end, zero))})[0];
    now[start_] = maximum(Value(now[start_]), start);
    now[before_] = shuffled(k_, MachineOp::shuffle_index, end, 31);
  });
  Value first = maximum(Value(found[first_]), 0), some = from < to;
  return {first, Value(select(some, Value(found[last_]), first - 1)), maximum(Value(found[start_]), 0)};
}

}  // namespace pagejit
