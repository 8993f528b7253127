// The parts of a sequence, in order, as one.
//
//   out = Σ_i 2^(lse_i − m) · part_i / (Σ_i 2^(lse_i − m) + [sink] 2^(sink − m))      m = max_i lse_i
//
// A block has some columns of a few rows of one sequence, and of large batches then those of the next rows. Parts
// without a key have an lse of −∞ and count nothing. A sequence that lies in one part is finished already, and its
// blocks have nothing to do.
#include "kernels/combine/template.h"

#include <algorithm>

#include "compiler/layout.h"
#include "compiler/reduce.h"
#include "kernels/common/split_plan.h"

namespace pagejit::combine {
namespace {

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;
constexpr double infinity = std::numeric_limits<double>::infinity();

using Parameters = Kernel::Parameters<Params>;

SplitBatch batch_of(const Spec& s, const Parameters& p) {
  SplitBatch b;
  b.lengths = p.tensor(&Params::lengths, s.lengths);
  b.ragged = s.ragged;
  if (s.ragged) b.indptr = p.tensor(&Params::indptr, Elem::i32);
  b.batch = p(&Params::batch, {.at_least = 0});
  b.queries = p(&Params::queries, {.at_least = 0});
  b.window = s.window;
  if (s.window) b.left = p(&Params::left, {.at_least = 0});
  b.keys = s.keys;
  b.parts = p(&Params::parts, {.at_least = 1});
  b.least = p(&Params::least, {.at_least = 1});
  return b;
}

class Program {
 public:
  Program(Kernel& k, const Spec& s, const Parameters& p, const Layout& layout)
      : k_(k), s_(s), p_(p), layout_(layout), heads_(p(&Params::kv_heads, {.at_least = 1})) {}

  void run() {
    // Before its own wait, as no other kernel may: what a settled kernel after this one reads early is older than
    // attention, which writes no lists and has waited for all before it (kernels/README.md).
    k_.dependents_launch();
    Value groups = p_(&Params::groups, {.at_least = 1}), rows = p_(&Params::turns, {.at_least = 1}) * s_.rows;
    int stretches = blocks_of_a_row(s_);
    Value group = k_.program(0) / stretches, b = group / groups, first = group % groups * rows;
    first_column_ = k_.program(0) % stretches * s_.columns;
    SplitPlan plan(k_, batch_of(s_, p_));
    SplitSequence sequence = plan.sequence(b);
    Value start = plan.start_of(b);
    Value from = plan.part_of(start), to = plan.part_of(start + maximum(sequence.tiles - 1, 0));
    Value shared = (from < to) & (sequence.queries > 0);
    Turn turn = turn_of({sequence, first, from, to}, from);
    // The lengths are not attention's work, and no block of it let this kernel start before it had itself waited. All
    // that follows from them is known before the branch: between the wait and the loads there is as good as nothing.
    k_.when(
        shared,
        [&] {
          k_.dependency_wait();
          add_up({sequence, first, from, to}, turn);
          // Of large batches, whose blocks are many and mostly have nothing to do.
          Value end = minimum(first + rows, sequence.queries * heads_ * s_.group);
          k_.loop(first + s_.rows, end, k_.constant(Type::i32, s_.rows), {}, [&](Value next, std::vector<Tile>&) {
            Task task{sequence, next, from, to};
            add_up(task, turn_of(task, from));
          });
        },
        [&] { k_.dependency_wait(); });
  }

 private:
  /// What a block adds up: rows of a sequence from `first` on, parts `from` … `to`.
  struct Task {
    SplitSequence sequence;
    Value first, from, to;
  };
  /// So many parts as are added up at once: where they lie, and which of them there are.
  struct Turn {
    Pointer lse, values;
    Tile live, live_values;
  };

  Turn turn_of(const Task& task, const Value& t) const {
    // Row r of the sequence is query r div heads, and of its heads the one that is left.
    Value heads = heads_ * s_.group, slices = heads_ * p_(&Params::row_tiles, {.at_least = 1}), turn = maximum(t, 0);
    auto row = [&](const Layout& l) { return k_.arange(l, 1) + task.first; };
    auto part = [&](const Layout& l) { return k_.arange(l, 0) + turn; };
    auto live = [&](const Layout& l) { return (part(l) <= task.to) & (row(l) < task.sequence.queries * heads); };
    auto place = [&](const Layout& l) {
      Tile r = row(l), query = r / heads, head = r % heads;
      Tile in_group = query * s_.group + head % s_.group;
      Tile slice = in_group / s_.team_rows * heads_ + head / s_.group;
      Tile one = number(part(l), 1), slot = part(l) * 2 + select(part(l) == task.from, one, number(part(l), 0));
      return (wide(slot) * Value(wide(slices)) + wide(slice)) * s_.team_rows + wide(in_group % s_.team_rows);
    };
    Layout of_parts = layout_.slice(2);
    Tile column = k_.arange(layout_, 2) + first_column_;
    Pointer lses = p_.tensor(&Params::partial_lse, Elem::f32, 4), data = p_.tensor(&Params::partial, Elem::f32, 16);
    return {lses + place(of_parts), data + (place(layout_) * s_.dim + wide(column)), live(of_parts),
            live(layout_) & (column < s_.dim)};
  }

  void add_up(const Task& task, const Turn& first_turn) {
    // One pass: a turn's parts are loaded together, what was added up before fades where a larger one comes.
    enum { most_, sum_, out_ };
    auto take = [&](const Turn& turn, std::vector<Tile>& now) {
      Tile lse = k_.load(turn.lse, turn.live, "lse");
      Tile values = k_.load(turn.values, turn.live_values, "part");
      lse = select(turn.live, lse, real(lse, -infinity));
      Tile most = reduce(k_, lse, 0, Reduce::max);
      if (!now.empty()) most = maximum(now[most_], most);
      Tile base = select(most == -infinity, real(most, 0), most), weight = fast(MachineOp::exp2_fast, lse - base);
      // Selected away, not multiplied: what a part without keys left is of no matter.
      Tile out = select(weight > 0.0, values, real(values, 0)) * weight;
      if (now.empty()) {
        now = {most, weight, out};
        return;
      }
      Tile faded = fast(MachineOp::exp2_fast, now[most_] - base);
      now = {most, now[sum_] * faded + weight, now[out_] * faded + out};
    };
    std::vector<Tile> carried;
    take(first_turn, carried);
    auto total = k_.loop(task.from + s_.parts, task.to + 1, k_.constant(Type::i32, s_.parts), carried,
                         [&](Value t, std::vector<Tile>& now) { take(turn_of(task, t), now); });
    Tile base = select(total[most_] == -infinity, real(total[most_], 0), total[most_]);
    Tile sum = reduce(k_, total[sum_], 0, Reduce::sum), out = reduce(k_, total[out_], 0, Reduce::sum);
    write(task.sequence, task.first, base, sum, out);
  }

  void write(const SplitSequence& sequence, const Value& first, const Tile& base, const Tile& sum, const Tile& out) {
    Value heads = heads_ * s_.group;
    Layout l = *out.layout(), of_rows = *sum.layout();
    auto place = [&](const Layout& at, std::int64_t Params::*token, std::int64_t Params::*head) {
      Tile r = k_.arange(at, 1) + first;
      return wide(r / heads + sequence.first_query) * p_(token) + wide(r % heads) * p_(head);
    };
    auto live = [&](const Layout& at) { return k_.arange(at, 1) + first < sequence.queries * heads; };
    Tile total = sum;
    if (s_.sinks) {
      Tile head = (k_.arange(of_rows, 1) + first) % heads;
      Tile sink = k_.load(p_.tensor(&Params::sinks, Elem::f32) + head, live(of_rows), "sink") * log2e;
      total = total + fast(MachineOp::exp2_fast, sink - base);
    }
    Tile share = select(total > 0.0, fast(MachineOp::rcp_fast, total), real(total, 0));
    Tile column = k_.arange(l, 2) + first_column_;
    // The warps that added up different parts all know the sum: one of them writes it.
    Slot free = l.free_bits();
    Value writes = (k_.thread() & (free.lane | free.warp << 5)) == 0;
    k_.store(p_.tensor(&Params::out, s_.to) + (place(l, &Params::out_token, &Params::out_head) + wide(column)),
             cast(out * share, type_of(s_.to)), live(l) & (column < s_.dim) & writes);
    if (!s_.lse) return;
    Tile logs = (base + fast(MachineOp::log2_fast, sum)) * ln2;
    Tile empty = select(p_(&Params::empty_lse_pos_inf) != 0, real(logs, infinity), real(logs, -infinity));
    // Once a row: by who holds its first element.
    k_.store(p_.tensor(&Params::lse, Elem::f32) + place(l, &Params::lse_token, &Params::lse_head),
             select(sum > 0.0, logs, empty), live(l) & (column == 0) & writes);
  }

  Kernel& k_;
  Spec s_;
  const Parameters& p_;
  Layout layout_;  // [parts, rows, dim]
  Value heads_, first_column_;
};

}  // namespace

void emit(Kernel& k, const Spec& s) {
  // Lanes stand along columns, then parts, then rows; what rows they leave, warps take.
  int vec = std::min(4, s.columns), columns = s.columns / vec;
  int rows = std::clamp(32 / columns * s.along / s.parts, 1, s.rows), warps = s.along * s.rows / rows;
  auto p = k.begin<Params>("combine", 32 * warps);
  Layout layout = Layout::blocked({s.parts, s.rows, s.columns}, {1, 1, vec}, {32 / columns / rows, rows, columns},
                                  {s.along, s.rows / rows, 1}, {2, 1, 0});
  Program(k, s, p, layout).run();
  k.end();
}

}  // namespace pagejit::combine
