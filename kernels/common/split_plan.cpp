#include "kernels/common/split_plan.h"

namespace pagejit {
namespace {

constexpr std::int64_t most_keys = 0x7fffffff - 1024;
constexpr int lanes = 32;

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
  Value b = lane_of(k);
  ends_ = sum_to_here(k, tiles_of(b, b < batch.batch));
  total_ = start_of(batch.batch);
  // By what is known before the lengths are: little of such a division has to wait for them.
  Value even = total_ / batch.parts, few = total_ < batch.parts * batch.least;
  size_ = Value(select(few, batch.least, even));
  longer_ = Value(select(few, k.constant(Type::i32, 0), total_ - even * batch.parts));
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
  Value zero = k_.constant(Type::i32, 0), step = k_.constant(Type::i32, lanes);
  Value last = k_.machine(MachineOp::shuffle_index, {ends_, Value(minimum(b, step) - 1)})[0];
  Value start(select(b > 0, maximum(last, 0), zero));
  return Value(k_.when(b > step, {start}, [&](std::vector<Tile>& now) {
    auto sums = k_.loop(step, b, step, {zero}, [&](Value first, std::vector<Tile>& sum) {
      Value before = maximum(first, 0) + lane_of(k_);
      sum[0] = sum[0] + tiles_of(before, before < b);
    });
    now[0] = now[0] + sum_of_lanes(k_, Value(sums[0]));
  })[0]);
}

SplitPlan::Found SplitPlan::find(const Value& from, const Value& to) const {
  Value zero = k_.constant(Type::i32, 0), step = k_.constant(Type::i32, lanes), last_tile = to - 1;
  enum { before_, first_, last_, start_ };
  auto count = [&](const Value& end, const Value& live, std::vector<Tile>& now) {
    Value over = live & (end <= from);
    now[first_] = now[first_] + votes(k_, over);
    now[last_] = now[last_] + votes(k_, live & (end <= last_tile));
    Value start = k_.machine(MachineOp::reduce_max, {Value(select(over, end, zero))})[0];
    now[start_] = maximum(Value(now[start_]), start);
    now[before_] = shuffled(k_, MachineOp::shuffle_index, end, lanes - 1);
  };
  std::vector<Tile> counted(4, zero);
  count(ends_, lane_of(k_) < batch_.batch, counted);
  auto found = k_.loop(step, batch_.batch, step, counted, [&](Value b0, std::vector<Tile>& now) {
    Value b = maximum(b0, 0) + lane_of(k_), live = b < batch_.batch;
    Value end = Value(now[before_]) + sum_to_here(k_, tiles_of(b, live));
    count(end, live, now);
  });
  Value first = maximum(Value(found[first_]), 0), some = from < to;
  return {first, Value(select(some, Value(found[last_]), first - 1)), maximum(Value(found[start_]), 0)};
}

}  // namespace pagejit
