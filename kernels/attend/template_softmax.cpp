#include "kernels/attend/template_softmax.h"

#include <algorithm>

#include "compiler/convert.h"
#include "compiler/reduce.h"

namespace pagejit::attend {
namespace {

constexpr int chunk = 64;  // elements of a row that one product takes: 128 bytes of shared memory
constexpr double log2e = 1.4426950408889634;
constexpr double none_yet = -std::numeric_limits<double>::infinity();

/// A piece as chunks; each remembers which piece it is of.
std::vector<Piece> chunks_of(const std::vector<Piece>& pieces) {
  std::vector<Piece> all;
  for (const Piece& p : pieces)
    for (int at = 0; at < p.size; at += chunk) all.push_back({p.first + at, std::min(p.size, chunk)});
  return all;
}

struct Place {
  int piece, column;
};
Place place_of(const CacheRows& rows, const Piece& chunk) {
  int i = 0;
  while (rows.piece(i).first + rows.piece(i).size <= chunk.first) ++i;
  return {i, chunk.first - rows.piece(i).first};
}

/// How many chunks of the queries stay in registers, beside the sums: of 255, fragments of K and V, scores and
/// addresses take the rest. Teams of many warps hold less of each.
std::size_t chunks_in_registers(const Spec& s) {
  int rows = s.rows / s.down, sums = rows * s.dim_v / (32 * s.across), most = s.across > 1 ? 128 : 100;
  return static_cast<std::size_t>(std::max(0, most - sums) / (rows * chunk / 64));
}

Tile real_tile(Kernel& k, const Layout& l, double value) {
  return k.full(l, Value(real(Tile(k.constant(Type::f32, 0)), value)));
}

}  // namespace

Softmax::Softmax(Kernel& k, const Spec& s, const Kernel::Parameters<Params>& p, const CacheRows& keys,
                 const CacheRows& values)
    : k_(k),
      s_(s),
      p_(p),
      keys_(keys),
      values_(values),
      grid_{s.down, s.across},
      score_layout_(Layout::mma_c(s.rows, s.keys, grid_)),
      weight_layout_(Layout::mma_a(s.rows, s.keys, grid_)),
      sum_layout_(Layout::mma_c(s.rows, 8 * s.across, grid_)) {
  for (int i = 0; i < keys.pieces(); ++i)
    for (const Piece& c : chunks_of({keys.piece(i)})) chunks_.push_back(c);
  std::vector<Piece> of_values = pieces(0, s.dim_v);
  columns_ = chunks_of(of_values);
  for (const Piece& c : columns_) out_layouts_.push_back(Layout::mma_c(s.rows, c.size, grid_));
  held_ = std::min(chunks_.size(), chunks_in_registers(s));
  for (std::size_t i = held_; i < chunks_.size(); ++i)
    shared_queries_.emplace_back(k, "queries", s.q, s.rows, chunks_[i].size);
}

const Layout& Softmax::out_layout(const Piece& column) const {
  auto at = std::find_if(columns_.begin(), columns_.end(), [&](const Piece& c) { return c.first == column.first; });
  return out_layouts_[static_cast<std::size_t>(at - columns_.begin())];
}

Softmax::Places Softmax::places(const Layout& layout) const {
  Tile row = k_.arange(layout, 0) + rows_.first;
  return {row / s_.group + rows_.first_query, row % s_.group + rows_.first_head, row < rows_.count};
}

void Softmax::begin(const QueryRows& rows, const Value& length, const Value& queries) {
  rows_ = rows;
  queries_.clear();
  int aligned = promised_bytes(s_.align, s_.q), step = aligned / bytes(s_.q);
  Pointer q = p_.tensor(&Params::q, s_.q, aligned);
  Value token = p_(&Params::q_token, {.multiple_of = step}), head = p_(&Params::q_head, {.multiple_of = step});
  auto load = [&](const Layout& l, int first) {
    Places at = places(l);
    Tile column = k_.arange(l, 1) + first, live = at.live & (column < s_.dim_k);
    return k_.load(q + (wide(at.query) * token + wide(at.head) * head + wide(column)), live, "query");
  };
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const Piece& c = chunks_[i];
    if (i < held_) {
      queries_.push_back(load(Layout::mma_a(s_.rows, c.size, grid_), c.first));
      continue;
    }
    // A barrier has passed since the sequence before was read, and one comes before this one is.
    int vec = std::min(c.size, step), across = std::min(32, c.size / vec);
    Layout l = Layout::blocked({s_.rows, c.size}, {1, vec}, {32 / across, across}, {k_.warps(), 1}, {1, 0});
    shared_queries_[i - held_].store(load(l, c.first), k_.constant(Type::i32, 0));
  }
  scale_ = p_(&Params::scale);
  Layout of_rows = score_layout_.slice(1);
  Tile row = k_.arange(of_rows, 0) + rows.first;
  // The key of the query itself; before the first one if the sequence is shorter than its queries.
  distance_ = row / s_.group + (length - queries);
  // `right` is so large where there is no bound that only the length counts.
  to_ = minimum(distance_ + (p_(&Params::right) + 1), length);
  if (s_.window) from_ = distance_ - p_(&Params::left);
  if (s_.alibi) {
    Tile of_head = row % s_.group + rows.first_head;
    slope_ = k_.load(p_.tensor(&Params::slopes, Elem::f32) + of_head, row < rows.count, "slope") * log2e;
  }
}

std::vector<Tile> Softmax::none() const {
  std::vector<Tile> state{real_tile(k_, score_layout_.slice(1), none_yet), real_tile(k_, sum_layout_, 0)};
  for (const Layout& l : out_layouts_) state.push_back(real_tile(k_, l, 0));
  return state;
}

Tile Softmax::query(std::size_t chunk) const {
  if (chunk < held_) return queries_[chunk];
  Layout l = Layout::mma_a(s_.rows, chunks_[chunk].size, grid_);
  return shared_queries_[chunk - held_].load(l, k_.constant(Type::i32, 0));
}

Tile Softmax::scores(const Value& stage) const {
  // Few scores a warp are few chains of products, each waiting for the one before: then more, of alternate chunks.
  int chains = score_layout_.registers() / 4;
  std::size_t ways = std::min<std::size_t>(chunks_.size(), chains >= 4 ? 1 : chains == 2 ? 2 : 4);
  std::vector<Tile> sums(ways, real_tile(k_, score_layout_, 0));
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    Place at = place_of(keys_, chunks_[i]);
    Layout of_keys = Layout::mma_b(chunks_[i].size, s_.keys, grid_);
    Tile rows = keys_.tile(at.piece).load_transposed(of_keys, stage, at.column);
    sums[i % ways] = dot(k_, query(i), rows, sums[i % ways]);
  }
  for (std::size_t i = 1; i < ways; ++i) sums[0] = sums[0] + sums[i];
  return sums[0];
}

/// Scores as powers of two, −∞ where a key is not seen.
Tile Softmax::seen(const Value& tile, Tile scores) const {
  if (s_.softcap) {
    // cap · tanh(x) = cap · (1 − 2 / (e^2x + 1)), all factors of two and of log2(e) folded in on the host.
    Tile power = fast(MachineOp::exp2_fast, scores * p_(&Params::inv_cap)) + 1.0;
    Value cap = p_(&Params::cap);
    scores = fma(fast(MachineOp::rcp_fast, power), k_.full(score_layout_, Value(cap * -2.0)), cap);
  } else {
    scores = scores * scale_;
  }
  Tile key = k_.arange(score_layout_, 1) + tile * s_.keys;
  if (s_.alibi) scores = scores + slope_ * cast(key - distance_, Type::f32);
  Tile live = key < to_;
  if (s_.window) live = live & (key >= from_);
  return select(live, scores, real(scores, none_yet));
}

void Softmax::take(const Value& tile, const Value& stage, std::vector<Tile>& state) {
  Tile logits = seen(tile, scores(stage));
  Tile most = maximum(state[0], reduce(k_, logits, 1, Reduce::max));
  // Rows that have seen nothing: 2^(−∞ − 0) is 0, where −∞ − −∞ is NaN.
  Tile base = select(most == none_yet, real(most, 0), most);
  Tile faded = fast(MachineOp::exp2_fast, state[0] - base);
  Tile weights = convert(k_, cast(fast(MachineOp::exp2_fast, logits - base), type_of(s_.q)), weight_layout_);
  state[0] = most;
  auto fade = [&](const Tile& t) { return t * convert(k_, faded, t.layout()->slice(1)); };
  Value one(cast(k_.constant(Type::f32, 1), type_of(s_.q)));
  // The sum of what V is weighted with, rounding and all, and without a word between threads.
  Tile ones = k_.full(Layout::mma_b(s_.keys, 8 * s_.across, grid_), one);
  state[1] = dot(k_, weights, ones, fade(state[1]));
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Place at = place_of(values_, columns_[i]);
    Tile rows = values_.tile(at.piece).load(Layout::mma_b(s_.keys, columns_[i].size, grid_), stage, at.column);
    state[i + 2] = dot(k_, weights, rows, fade(state[i + 2]));
  }
}

Softmax::Result Softmax::result(const std::vector<Tile>& state) const {
  // All columns of the sums are the same: any of them will do.
  return {state[0], reduce(k_, state[1], 1, Reduce::max), {state.begin() + 2, state.end()}};
}

}  // namespace pagejit::attend
