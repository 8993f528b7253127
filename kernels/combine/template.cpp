// The parts of a sequence, in order, as one.
//
//   out = Σ_i 2^(lse_i − m) · part_i / (Σ_i 2^(lse_i − m) + [sink] 2^(sink − m))      m = max_i lse_i
//
// A block has a few rows of one sequence. Parts without a key have an lse of −∞ and count nothing. A sequence that lies
// in one part is finished already, and its blocks have nothing to do.
#include "kernels/combine/template.h"

#include <bit>

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
    Value most = p_(&Params::most_rows, {.at_least = 1}), blocks = (most + (s_.rows - 1)) / s_.rows;
    Value b = k_.program(0) / blocks, first = k_.program(0) % blocks * s_.rows;
    SplitPlan plan(k_, batch_of(s_, p_));
    SplitSequence sequence = plan.sequence(b);
    Value start = plan.start_of(b);
    Value from = plan.part_of(start), to = plan.part_of(start + maximum(sequence.tiles - 1, 0));
    // The lengths are not attention's work, and no block of it let this kernel start before it had itself waited.
    k_.dependency_wait();
    k_.dependents_launch();
    k_.when((from < to) & (sequence.queries > 0), [&] { add_up(sequence, first, from, to); });
  }

 private:
  void add_up(const SplitSequence& sequence, const Value& first, const Value& from, const Value& to) {
    // Row r of the sequence is query r div heads, and of its heads the one that is left.
    Layout of_parts = layout_.slice(2);
    Value heads = heads_ * s_.group;
    auto row = [&](const Layout& l) { return k_.arange(l, 1) + first; };
    auto live_row = [&](const Layout& l) { return row(l) < sequence.queries * heads; };
    auto place = [&](const Layout& l, const Tile& part) {
      Tile r = row(l), query = r / heads, head = r % heads;
      Tile in_group = query * s_.group + head % s_.group;
      Tile slice = in_group / s_.team_rows * heads_ + head / s_.group;
      Tile slot = part * 2 + select(part == from, number(part, 1), number(part, 0));
      Value slices = heads_ * p_(&Params::row_tiles, {.at_least = 1});
      return (wide(slot) * Value(wide(slices)) + wide(slice)) * s_.team_rows + wide(in_group % s_.team_rows);
    };
    Pointer lses = p_.tensor(&Params::partial_lse, Elem::f32, 4), data = p_.tensor(&Params::partial, Elem::f32, 16);
    // One pass: a turn's parts are loaded together, what was added up before fades where a larger one comes.
    Value zero = k_.constant(Type::f32, 0);
    enum { most_, sum_, out_ };
    std::vector<Tile> carried{k_.full(of_parts.slice(0), Value(real(zero, -infinity))), k_.full(of_parts, zero),
                              k_.full(layout_, zero)};
    auto total = k_.loop(from, to + 1, k_.constant(Type::i32, s_.parts), carried, [&](Value t, std::vector<Tile>& now) {
      Value turn = maximum(t, 0);
      Tile part = k_.arange(of_parts, 0) + turn, live = (part <= to) & live_row(of_parts);
      Tile lse = k_.load(lses + place(of_parts, part), live, "lse");
      Tile wide_part = k_.arange(layout_, 0) + turn, column = k_.arange(layout_, 2);
      Tile wide_live = (wide_part <= to) & live_row(layout_) & (column < s_.dim);
      Tile values = k_.load(data + (place(layout_, wide_part) * s_.dim + wide(column)), wide_live, "part");
      lse = select(live, lse, real(lse, -infinity));
      Tile most = maximum(now[most_], reduce(k_, lse, 0, Reduce::max));
      Tile base = select(most == -infinity, real(most, 0), most);
      Tile faded = fast(MachineOp::exp2_fast, now[most_] - base), weight = fast(MachineOp::exp2_fast, lse - base);
      now[most_] = most;
      now[sum_] = now[sum_] * faded + weight;
      // Selected away, not multiplied: what a part without keys left is of no matter.
      now[out_] = now[out_] * faded + select(weight > 0.0, values, real(values, 0)) * weight;
    });
    Tile base = select(total[most_] == -infinity, real(total[most_], 0), total[most_]);
    write(sequence, first, base, reduce(k_, total[sum_], 0, Reduce::sum), reduce(k_, total[out_], 0, Reduce::sum));
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
    Tile column = k_.arange(l, 2);
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
  Value heads_;
};

}  // namespace

void emit(Kernel& k, const Spec& s) {
  int dim = static_cast<int>(std::bit_ceil(static_cast<unsigned>(s.dim)));
  int vec = std::min(4, dim), lanes = std::min(32, dim / vec);
  int along = std::min(s.parts, 8), warps = along * s.rows;
  auto p = k.begin<Params>("combine", 32 * warps);
  Layout layout =
      Layout::blocked({s.parts, s.rows, dim}, {1, 1, vec}, {1, 32 / lanes, lanes}, {along, s.rows, 1}, {2, 1, 0});
  Program(k, s, p, layout).run();
  k.end();
}

}  // namespace pagejit::combine
