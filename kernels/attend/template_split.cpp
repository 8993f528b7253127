#include "kernels/attend/template_split.h"

#include <algorithm>

#include "compiler/convert.h"
#include "compiler/dot.h"
#include "kernels/attend/template_fragments.h"
#include "kernels/attend/template_split_layouts.h"

namespace pagejit::attend {
namespace {

constexpr int first_group_barrier = 1, first_turn_barrier = 3, rest_barrier = 5;
constexpr int depth = 16;  // dims or keys that one product sums over

void append(std::vector<Reg>& to, const std::vector<Reg>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::vector<Reg> some(const SharedTile::Fragments& from, int first, int count) {
  std::vector<Reg> regs;
  for (int i = 0; i < count; ++i) append(regs, from.load(first + i));
  return regs;
}

/// To dot each warp is a row of the grid, whatever it multiplies: what its registers hold is known here alone.
struct OneWarp {
  Kernel& k;
  Type type;
  int rows;

  Tile a(int depth, std::vector<Reg> regs) const { return tile(Layout::mma_a(all(), depth, grid()), std::move(regs)); }
  Tile b(int depth, int columns, std::vector<Reg> regs) const {
    return tile(Layout::mma_b(depth, columns, grid()), std::move(regs));
  }
  Layout c(int columns) const { return Layout::mma_c(all(), columns, grid()); }

 private:
  std::array<int, 2> grid() const { return {k.warps(), 1}; }
  int all() const { return rows * k.warps(); }
  Tile tile(const Layout& l, std::vector<Reg> regs) const {
    return Tile(k, type, std::make_shared<const Layout>(l), std::move(regs));
  }
};

}  // namespace

SplitProducts::SplitProducts(Kernel& k, const Spec& s, const CacheRows& keys, const CacheRows& values)
    : k_(k),
      s_(s),
      keys_(keys),
      values_(values),
      group_rows_(s.rows / s.down),
      warps_(s.down * s.across),
      warp_(k.thread() / 32),
      group_(k.thread() / (32 * s.across)),
      scores_(score_layout(s)),
      lanes_(lane_layout(s)),
      sums_(sum_layout(s)),
      given_(given_layout(s)),
      partial_(k.shared("partial scores", Elem::f32, warps_ * (s.across - 1) * s.keys * 8)),
      fades_(k.shared("fades", Elem::f32, s.rows)),
      weights_(k, "weights", s.q, s.rows, s.keys) {
  for (int i = held_blocks(s); i < s.dim_k / block; ++i) shared_queries_.emplace_back(k, "queries", s.q, s.rows, block);
}

std::vector<Layout> SplitProducts::sums_layouts() const {
  return std::vector<Layout>(static_cast<std::size_t>(s_.dim_v / block), sums_);
}

void SplitProducts::hold(const std::function<Tile(const Layout&, const Piece&)>& load) {
  queries_.clear();
  for (int i = 0; i < s_.dim_k / block; ++i) {
    Tile some = load(query_layout(s_), {i * block, block});
    if (i < held_blocks(s_))
      queries_.push_back(some);
    else  // a barrier has passed since the sequence before was read, and one comes before this one is
      shared_queries_[static_cast<std::size_t>(i - held_blocks(s_))].store(some, k_.constant(Type::i32, 0));
  }
}

/// Of K's or V's rows, where a stage holds 64 dims of them.
SharedTile::Fragments SplitProducts::fragments(const CacheRows& rows, int number, const Layout& layout,
                                               const Value& stage) const {
  int i = 0, first = number * block;
  while (rows.piece(i).first + rows.piece(i).size <= first) ++i;
  return rows.tile(i).fragments(layout, stage, first - rows.piece(i).first);
}

/// The warp's queries of 64 dims, as a first operand.
std::vector<Reg> SplitProducts::query(int number) const {
  auto i = static_cast<std::size_t>(number);
  if (i < queries_.size()) return queries_[i].regs();
  auto from = shared_queries_[i - queries_.size()].fragments(query_layout(s_), k_.constant(Type::i32, 0));
  return some(from, 0, from.count());
}

/// Partial sums of sixteen keys go to the warps that add them up, an octet of rows to each.
class SplitProducts::Exchange {
 public:
  explicit Exchange(const SplitProducts& of)
      : of_(of), k_(of.k_), given_(std::make_shared<const Layout>(of.given_)), mine_(from(0)) {
    for (int octet = 1; octet < of.s_.across; ++octet) theirs_.push_back(from(octet));
  }

  /// The next sixteen keys' sums.
  void send(const Tile& sums) {
    for (int octet = 0; octet < of_.s_.across; ++octet)
      for (int i = 0; i < 2; ++i) {
        int at = 2 * (octet & 1) + 4 * i + 8 * (octet / 2);
        std::vector<Reg> pair{sums.reg(at), sums.reg(at + 1)};
        if (octet == 0)
          append(own_, pair);
        else
          k_.store(mine_ + place(octet, sent_ + i), Tile(k_, Type::f32, given_, pair));
      }
    sent_ += 2;
  }
  /// After a barrier: the whole sums of the warp's own rows.
  Tile received() {
    Tile total(k_, Type::f32, std::make_shared<const Layout>(of_.scores_), own_);
    for (int octet = 1; octet < of_.s_.across; ++octet) {
      std::vector<Reg> regs;
      for (int i = 0; i < sent_; ++i)
        append(regs, k_.load(theirs_[static_cast<std::size_t>(octet - 1)] + place(octet, i), "partial").regs());
      total = total + Tile(k_, Type::f32, total.layout(), std::move(regs));
    }
    return total;
  }

 private:
  int pairs() const { return of_.s_.keys / 8; }
  Pointer from(int octet) const {
    Value warp(binary(Binary::bit_xor, of_.warp_, k_.constant(Type::i32, octet)));
    return of_.partial_ + (warp * ((of_.s_.across - 1) * pairs() * 64) + k_.arange(of_.given_));
  }
  Value place(int octet, int i) const { return k_.constant(Type::i32, ((octet - 1) * pairs() + i) * 64); }

  const SplitProducts& of_;
  Kernel& k_;
  std::shared_ptr<const Layout> given_;
  Pointer mine_;
  std::vector<Pointer> theirs_;
  std::vector<Reg> own_;
  int sent_ = 0;  // pairs of a lane, of eight keys each
};

Tile SplitProducts::scores(const Value& stage, const std::function<void()>& fill) const {
  OneWarp one{k_, type_of(s_.q), group_rows_};
  // Queries from shared memory come amid those in registers.
  int blocks = s_.dim_k / block, held = held_blocks(s_), parts = s_.keys / depth, steps = parts * blocks;
  auto number_of = [&](int i) { return (i + held - held / 2 + blocks) % blocks; };
  std::vector<SharedTile::Fragments> keys;
  for (int i = 0; i < blocks; ++i) keys.push_back(fragments(keys_, number_of(i), key_layout(s_), stage));
  std::vector<Tile> loaded, asked(static_cast<std::size_t>(blocks));
  constexpr int ahead = 3, ask = 1;  // steps, blocks: what is on its way while products are made
  auto load = [&](int step) {
    if (step < steps)
      loaded.push_back(one.b(depth, depth, keys[static_cast<std::size_t>(step / parts)].load(step % parts)));
  };
  auto ask_for = [&](int i) {
    if (i < blocks && number_of(i) >= held) asked[static_cast<std::size_t>(i)] = one.a(depth, query(number_of(i)));
  };
  if (!s_.bulk) await_turn();  // other threads' copies are there then
  for (int i = 0; i < ahead; ++i) load(i);
  for (int i = 0; i < ask; ++i) ask_for(i);
  if (s_.bulk) await_turn();

  Value none(real(Tile(k_.constant(Type::f32, 0)), 0));
  std::vector<Tile> sums(static_cast<std::size_t>(parts), k_.full(one.c(depth), none));
  for (int i = 0; i < blocks; ++i) {
    const Tile& got = asked[static_cast<std::size_t>(i)];
    Tile rows = got ? got : one.a(depth, query(number_of(i)));
    ask_for(i + ask);
    for (int n = 0; n < parts; ++n) {
      load(i * parts + n + ahead);
      Tile& sum = sums[static_cast<std::size_t>(n)];
      sum = dot(k_, rows, loaded[static_cast<std::size_t>(i * parts + n)], sum);
    }
    // The rest may meet the other group's first ones: tensor cores have room for both (docs/measured.md).
    if (i == blocks / 2) pass_on();
  }
  Exchange exchange(*this);
  for (const Tile& sum : sums) exchange.send(sum);
  fill();
  wait_for_group();
  return exchange.received();
}

Tile SplitProducts::sum(const Tile& weights) const {
  auto layout = std::make_shared<const Layout>(lanes_);
  std::vector<Tile> parts;
  Tile all = cast(weights, Type::f32);
  for (const Reg& r : all.regs()) parts.emplace_back(k_, Type::f32, layout, std::vector<Reg>{r});
  for (std::size_t n = parts.size() / 2; n > 0; n /= 2)
    for (std::size_t i = 0; i < n; ++i) parts[i] = parts[i] + parts[i + n];
  return parts[0];
}

void SplitProducts::add(const Tile& weights, const Tile& faded, const Value& stage, std::vector<Tile>& sums,
                        std::size_t from, const std::function<void()>& meanwhile) const {
  OneWarp one{k_, type_of(s_.q), group_rows_};
  Value only = k_.constant(Type::i32, 0);
  weights_.store(weights, only);
  k_.store(fades_ + k_.arange(*faded.layout()), faded, k_.thread() % 4 == 0);

  // Sixteen keys at a time: a column's sums are added to every so many products, and never wait for the ones before.
  int columns = block / s_.across, blocks = s_.dim_v / block, turns = s_.keys / depth;
  std::vector<SharedTile::Fragments> values;
  for (int i = 0; i < blocks; ++i) values.push_back(fragments(values_, i, value_layout(s_), stage));
  SharedTile::Fragments rows = weights_.fragments(weight_layout(s_), only);
  std::vector<Tile> loaded;
  auto load = [&](int number) {
    if (number >= turns * blocks) return;
    const SharedTile::Fragments& from = values[static_cast<std::size_t>(number % blocks)];
    int each = from.count() / turns;
    loaded.push_back(one.b(depth, columns, some(from, number / blocks * each, each)));
  };
  auto rows_of = [&](int turn) {
    int each = group_rows_ / 16;
    return one.a(depth, some(rows, turn * each, each));
  };
  constexpr int deep = 3;  // fragments of V under way, the first ones while others still make weights
  for (int i = 0; i < deep; ++i) load(i);
  Value fading = k_.machine(MachineOp::barrier_group_any,
                            {Value(group_ + first_group_barrier), k_.constant(Type::i32, 32 * s_.across),
                             Value(cast(Value(faded != 1.0), Type::i32))})[0];

  Tile left = rows_of(0), left_next;
  auto first = sums.begin() + static_cast<std::ptrdiff_t>(from);
  std::vector<Tile> mine(first, first + blocks);
  mine = k_.when(fading != 0, std::move(mine), [&](std::vector<Tile>& now) {
    Tile fades = k_.load(fades_ + k_.arange(sum_rows_layout(s_)), "fade");
    Tile factor = convert(k_, fades, sums_.slice(1));
    for (Tile& t : now) t = t * factor;
  });
  for (int turn = 0; turn < turns; ++turn) {
    if (turn == turns / 2) meanwhile();
    if (turn > 0) left = left_next;
    for (int i = 0; i < blocks; ++i) {
      int number = turn * blocks + i;
      load(number + deep);
      if (i == blocks - 2 && turn + 1 < turns) left_next = rows_of(turn + 1);
      Tile& sum = mine[static_cast<std::size_t>(i)];
      sum = relabelled(dot(k_, left, loaded[static_cast<std::size_t>(number)], relabelled(sum, one.c(columns))), sums_);
    }
  }
  std::move(mine.begin(), mine.end(), first);
}

/// The last rows of a sequence's last tile were written by the first group: the other one must not look at them before.
void SplitProducts::wait_for_rest() const {
  wait_for_group();
  Value id = k_.constant(Type::i32, rest_barrier), all = k_.constant(Type::i32, 32 * warps_);
  k_.when(
      group_ == 0,
      [&] {
        k_.machine(MachineOp::barrier_arrive, {id, all});
      },
      [&] {
        k_.machine(MachineOp::barrier_group, {id, all});
      });
}

void SplitProducts::wait_for_group() const {
  k_.machine(MachineOp::barrier_group, {Value(group_ + first_group_barrier), k_.constant(Type::i32, 32 * s_.across)});
}

/// This group's queries have met most keys, and what it copied of the tile after is there: now the other one.
void SplitProducts::pass_on() const {
  if (!s_.bulk) k_.copy_wait(ahead() - 2);
  Value other = k_.constant(Type::i32, first_turn_barrier + 1) - group_;
  k_.machine(MachineOp::barrier_arrive, {other, k_.constant(Type::i32, 32 * warps_)});
}

void SplitProducts::begin_turns() const {
  if (!s_.bulk) k_.copy_wait(ahead() - 1);
  k_.barrier();
  k_.when(group_ == 1, [&] {
    k_.machine(MachineOp::barrier_arrive,
               {k_.constant(Type::i32, first_turn_barrier), k_.constant(Type::i32, 32 * warps_)});
  });
}

void SplitProducts::await_turn() const {
  k_.machine(MachineOp::barrier_group, {Value(group_ + first_turn_barrier), k_.constant(Type::i32, 32 * warps_)});
}

void SplitProducts::end_turns() const {
  k_.when(group_ == 0, [&] { await_turn(); });
}

}  // namespace pagejit::attend
