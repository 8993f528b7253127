#include "kernels/attend/template_split.h"

#include <algorithm>

#include "compiler/convert.h"
#include "compiler/dot.h"
#include "kernels/attend/template_fragments.h"
#include "kernels/attend/template_split_layouts.h"

namespace pagejit::attend {
namespace {

constexpr int first_group_barrier = 1, rest_barrier = 3;
constexpr int depth = 16;  // dims or keys that one product sums over

void append(std::vector<Reg>& to, const std::vector<Reg>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::vector<Reg> some(const SharedTile::Fragments& from, int first, int count) {
  std::vector<Reg> regs;
  for (int i = 0; i < count; ++i) append(regs, from.load(first + i));
  return regs;
}

/// Turns that follow one another use different halves of what warps hand to one another through.
Value half_of(const Value& tile) {
  return tile & 1;
}

/// Of all warps: sums of a turn that they send.
int partials(const Spec& s) {
  return s.down * s.across * (s.across - 1) * s.keys * 8;
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
      partial_(k.shared("partial scores", Elem::f32, partials(s))),
      gifts_(k, "gifts", s.down, 32 * s.across),
      fades_(k.shared("fades", Elem::f32, 2 * s.rows)),
      weights_(k, "weights", s.q, s.rows, s.keys, 2) {
  for (int i = held_blocks(s); i < s.dim_k / block; ++i) shared_queries_.emplace_back(k, "queries", s.q, s.rows, block);
}

std::vector<Layout> SplitProducts::sums_layouts() const {
  return std::vector<Layout>(static_cast<std::size_t>(s_.dim_v / block), sums_);
}

void SplitProducts::hold(const std::function<Tile(const Layout&, const Piece&)>& load) {
  queries_.clear();
  int blocks = s_.dim_k / block, held = held_blocks(s_), shared = blocks - held;
  auto load_block = [&](int i, const Layout& l) { return load(l, {i * block, block}); };
  Value only = k_.constant(Type::i32, 0);
  // Whole rows come fastest: those for registers go through shared memory before others stay there. Where there is too
  // little of it, they come as they are held. A barrier has passed since the sequence before was read.
  int through = std::min(held, shared);
  std::vector<Tile> rows;
  for (int i = 0; i < through; ++i) rows.push_back(load_block(i, row_layout(s_)));
  for (int i = held; i < blocks; ++i) rows.push_back(load_block(i, row_layout(s_)));
  auto place = [&](int i) -> SharedTile& { return shared_queries_[static_cast<std::size_t>(i)]; };
  for (int i = 0; i < through; ++i) place(i).store(rows[static_cast<std::size_t>(i)], only);
  if (through > 0) wait_for_group();
  for (int i = 0; i < through; ++i) queries_.push_back(place(i).load(query_layout(s_), only));
  for (int i = through; i < held; ++i) queries_.push_back(load_block(i, query_layout(s_)));
  if (through > 0) wait_for_group();
  for (int i = 0; i < shared; ++i) place(i).store(rows[static_cast<std::size_t>(through + i)], only);
}

Tile SplitProducts::by_rows(const Tile& out, std::size_t number) const {
  if (shared_queries_.empty()) return out;
  const SharedTile& through = shared_queries_[number % shared_queries_.size()];
  Value only = k_.constant(Type::i32, 0);
  if (number == 0 || shared_queries_.size() == 1) wait_for_group();
  through.store(out, only);
  wait_for_group();
  return through.load(row_layout(s_), only);
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
      : of_(of), k_(of.k_), given_(std::make_shared<const Layout>(of.given_)), all_(of.partial_) {}

  /// All keys' sums, sixteen at a time; gives those of the warp's own rows.
  std::vector<Reg> send(const std::vector<Tile>& sums) const {
    Pointer to = from(0);
    std::vector<Reg> own;
    int sent = 0;
    for (const Tile& some : sums) {
      for (int octet = 0; octet < of_.s_.across; ++octet)
        for (int i = 0; i < 2; ++i) {
          int at = 2 * (octet & 1) + 4 * i + 8 * (octet / 2);
          std::vector<Reg> pair{some.reg(at), some.reg(at + 1)};
          if (octet == 0)
            append(own, pair);
          else
            k_.store(to + place(octet, sent + i), Tile(k_, Type::f32, given_, pair));
        }
      sent += 2;
    }
    return own;
  }
  /// After a barrier: what another warp has of the warp's own rows.
  Tile received(int octet) const {
    Pointer theirs = from(octet);
    std::vector<Reg> regs;
    for (int i = 0; i < pairs(); ++i) append(regs, k_.load(theirs + place(octet, i), "partial").regs());
    return own(std::move(regs));
  }
  Tile own(std::vector<Reg> regs) const {
    return Tile(k_, Type::f32, std::make_shared<const Layout>(of_.scores_), std::move(regs));
  }

 private:
  int pairs() const { return of_.s_.keys / 8; }
  Pointer from(int octet) const {
    Value warp(binary(Binary::bit_xor, of_.warp_, k_.constant(Type::i32, octet)));
    return all_ + (warp * ((of_.s_.across - 1) * pairs() * 64) + k_.arange(of_.given_));
  }
  Value place(int octet, int i) const { return k_.constant(Type::i32, ((octet - 1) * pairs() + i) * 64); }

  const SplitProducts& of_;
  Kernel& k_;
  std::shared_ptr<const Layout> given_;
  Pointer all_;
};

std::vector<Reg> SplitProducts::multiply(const Value& stage, const Value& turns) const {
  OneWarp one{k_, type_of(s_.q), group_rows_};
  int blocks = s_.dim_k / block, held = held_blocks(s_), parts = s_.keys / depth, steps = parts * blocks;
  // Queries from shared memory come amid those in registers.
  std::vector<int> order;
  for (int i = 0, shared = 0, in_registers = 0; i < blocks; ++i) {
    bool next_shared = (i + 1) * (blocks - held) / blocks > shared;
    order.push_back(next_shared ? held + shared++ : in_registers++);
  }
  auto number_of = [&](int i) { return order[static_cast<std::size_t>(i)]; };
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
  for (int i = 0; i < ahead; ++i) load(i);
  for (int i = 0; i < ask; ++i) ask_for(i);

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
  }
  wait_for_given(turns);
  return Exchange(*this).send(sums);
}

SplitProducts::Fading SplitProducts::fading(const Value& tile) const {
  Tile fades = k_.load(fades_ + (half_of(tile) * s_.rows + k_.arange(sum_rows_layout(s_))), "fade");
  Tile other = fades != 1.0;
  Value any(k_, Type::i1, other.reg(0));
  for (int i = 1; i < other.registers(); ++i) any = any | Value(k_, Type::i1, other.reg(i));
  return {convert(k_, fades, sums_.slice(1)), any};
}

std::vector<std::function<void()>> SplitProducts::scores(const std::vector<Reg>& own, Tile& sums) const {
  auto exchange = std::make_shared<Exchange>(*this);
  sums = exchange->own(own);
  std::vector<std::function<void()>> steps{[this] { wait_for_group(); }};
  auto next = std::make_shared<Tile>();
  for (int octet = 1; octet <= s_.across; ++octet)
    steps.push_back([=, this, &sums] {
      if (octet > 1) sums = sums + *next;
      if (octet < s_.across) *next = exchange->received(octet);
    });
  return steps;
}

void SplitProducts::give(const Value& tile, const Tile& weights, const Tile& faded) const {
  weights_.store(weights, half_of(tile));
  k_.store(fades_ + (half_of(tile) * s_.rows + k_.arange(*faded.layout())), faded, k_.thread() % 4 == 0);
  gifts_.arrive(group_);
}

void SplitProducts::wait_for_given(const Value& turns) const {
  gifts_.wait(group_, (turns & 1) ^ 1);
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

void SplitProducts::add(const Value& tile, const Value& stage, const Fading& fading, std::vector<Tile>& sums,
                        std::size_t from, const std::vector<std::function<void()>>& between) const {
  OneWarp one{k_, type_of(s_.q), group_rows_};
  // Sixteen keys at a time: a column's sums are added to every so many products, and never wait for the ones before.
  int columns = block / s_.across, blocks = s_.dim_v / block, turns = s_.keys / depth, steps = turns * blocks;
  std::vector<SharedTile::Fragments> values;
  for (int i = 0; i < blocks; ++i) values.push_back(fragments(values_, i, value_layout(s_), stage));
  SharedTile::Fragments rows = weights_.fragments(weight_layout(s_), half_of(tile));
  std::vector<Tile> loaded;
  auto load = [&](int number) {
    if (number >= steps) return;
    const SharedTile::Fragments& from = values[static_cast<std::size_t>(number % blocks)];
    int each = from.count() / turns;
    loaded.push_back(one.b(depth, columns, some(from, number / blocks * each, each)));
  };
  auto rows_of = [&](int turn) {
    int each = group_rows_ / 16;
    return one.a(depth, some(rows, turn * each, each));
  };
  constexpr int deep = 3;  // fragments of V under way
  Tile left = rows_of(0), left_next;
  for (int i = 0; i < deep; ++i) load(i);

  auto first = sums.begin() + static_cast<std::ptrdiff_t>(from);
  std::vector<Tile> mine(first, first + blocks);
  Value any = k_.machine(MachineOp::ballot, {Value(cast(fading.any, Type::i32))})[0] != 0;
  mine = k_.when(any, std::move(mine), [&](std::vector<Tile>& now) {
    for (Tile& t : now) t = t * fading.factor;
  });
  // One after each step from there on, the barrier first: not before other warps have mostly come to it.
  constexpr int first_between = 2;
  std::size_t called = 0;
  for (int number = 0; number < steps; ++number) {
    int turn = number / blocks, i = number % blocks;
    if (turn > 0 && i == 0) left = left_next;
    load(number + deep);
    if (i == blocks - 2 && turn + 1 < turns) left_next = rows_of(turn + 1);
    Tile& sum = mine[static_cast<std::size_t>(i)];
    sum = relabelled(dot(k_, left, loaded[static_cast<std::size_t>(number)], relabelled(sum, one.c(columns))), sums_);
    if (number + 1 >= first_between && called < between.size()) between[called++]();
  }
  while (called < between.size()) between[called++]();
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

}  // namespace pagejit::attend
