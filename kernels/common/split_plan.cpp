#include "kernels/common/split_plan.h"

namespace pagejit {
namespace {

constexpr std::int64_t most_keys = 0x7fffffff - 1024;
constexpr int lanes = SplitSequences::lanes, together = 4;

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

/// What `load` (a pointer, a mask, a name) finds of sequence `b` in the lists.
template <class Load>
SplitLists lists_of(const SplitBatch& batch, const Value& b, const Value& live, const Load& load) {
  SplitLists lists;
  lists.length = counted(Value(load(batch.lengths + b, live, "length")));
  if (!batch.ragged) return lists;
  lists.first_query = maximum(Value(load(batch.indptr + b, live, "first_query")), 0);
  lists.end_query = maximum(Value(load(batch.indptr + (b + 1), live, "end_query")), 0);
  return lists;
}

SplitLists stored(Kernel& k, const SplitBatch& batch, const Value& b, const Value& live) {
  return lists_of(batch, b, live, [&](const Pointer& from, const Value& mask, std::string_view name) {
    return k.load(from, mask, name);
  });
}

}  // namespace

SplitSequences::SplitSequences(Kernel& k, const SplitBatch& batch)
    : SplitSequences(k, batch, stored(k, batch, lane_of(k), lane_of(k) < batch.batch)) {}

SplitSequences::SplitSequences(Kernel& k, const SplitBatch& batch, const SplitLists& first)
    : k_(k), batch_(batch), first_(first) {}

SplitLists SplitSequences::load_now(Kernel& k, const SplitBatch& batch, const Value& live) {
  return lists_of(
      batch, lane_of(k), live & (lane_of(k) < batch.batch),
      [&](const Pointer& from, const Value& mask, std::string_view name) { return k.load_now(from, mask, name); });
}

SplitSequence SplitSequences::sized(const Value& b, const SplitLists& lists) const {
  SplitSequence s;
  s.length = lists.length;
  s.queries = batch_.queries, s.first_query = b * batch_.queries;
  if (batch_.ragged) s.first_query = lists.first_query, s.queries = maximum(lists.end_query - lists.first_query, 0);
  s.first_tile = k_.constant(Type::i32, 0);
  // Two steps: lists that are still being written may say anything, and nothing overflows.
  if (batch_.window) s.first_tile = maximum(maximum(s.length - s.queries, 0) - batch_.left, 0) / batch_.keys;
  Value end = (s.length + (batch_.keys - 1)) / batch_.keys;
  s.tiles = Value(select(s.queries > 0, maximum(end - s.first_tile, 1), k_.constant(Type::i32, 0)));
  return s;
}

SplitSequence SplitSequences::sequence(const Value& b) const {
  Value held = b < lanes;
  SplitLists lists = stored(k_, batch_, b, (b >= lanes) & (b < batch_.batch));
  auto of_lane = [&](Value& one, const Value& first) {
    Value shuffled = k_.machine(MachineOp::shuffle_index, {first, b})[0];
    one = maximum(Value(select(held, shuffled, one)), 0);
  };
  of_lane(lists.length, first_.length);
  if (batch_.ragged) of_lane(lists.first_query, first_.first_query), of_lane(lists.end_query, first_.end_query);
  return sized(b, lists);
}

Value SplitSequences::first_tiles() const {
  Value b = lane_of(k_);
  return Value(select(b < batch_.batch, sized(b, first_).tiles, k_.constant(Type::i32, 0)));
}

Value SplitSequences::other_tiles(const Value& b, const Value& live) const {
  return Value(select(live, sized(b, stored(k_, batch_, b, live)).tiles, k_.constant(Type::i32, 0)));
}

SplitPlan::SplitPlan(Kernel& k, const SplitSequences& sequences) : k_(k), sequences_(sequences) {
  const SplitBatch& batch = sequences.batch();
  ends_ = sum_to_here(k, sequences.first_tiles());
  total_ = start_of(batch.batch);
  // By what is known before the lengths are: little of such a division has to wait for them.
  Value even = total_ / batch.parts, few = total_ < batch.parts * batch.least;
  size_ = Value(select(few, batch.least, even));
  longer_ = Value(select(few, k.constant(Type::i32, 0), total_ - even * batch.parts));
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
    auto sums = k_.loop(step, b, step * together, {zero}, [&](Value first, std::vector<Tile>& sum) {
      for (const Others& one : others(first, b)) sum[0] = sum[0] + one.tiles;
    });
    now[0] = now[0] + sum_of_lanes(k_, Value(sums[0]));
  })[0]);
}

/// Lists are loaded for several sequences a lane at once: most of the time goes by until they are there.
std::vector<SplitPlan::Others> SplitPlan::others(const Value& first, const Value& end) const {
  std::vector<Others> all;
  for (int i = 0; i < together; ++i) {
    Value b = maximum(first, 0) + lane_of(k_) + i * lanes, live = b < end;
    all.push_back({live, sequences_.other_tiles(b, live)});
  }
  return all;
}

SplitPart SplitPlan::part(const Value& number) const {
  Value from = first(number), to = first(number + 1), batch = sequences_.batch().batch;
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
  count(ends_, lane_of(k_) < batch, counted);
  auto found = k_.loop(step, batch, step * together, counted, [&](Value b, std::vector<Tile>& now) {
    for (const Others& one : others(b, batch)) count(Value(now[before_]) + sum_to_here(k_, one.tiles), one.live, now);
  });
  Value first = maximum(Value(found[first_]), 0), some = from < to;
  return {from, to, first, Value(select(some, Value(found[last_]), first - 1)), maximum(Value(found[start_]), 0)};
}

}  // namespace pagejit
