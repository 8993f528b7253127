#include "kernels/attend/template_softmax.h"

#include <algorithm>

#include "compiler/convert.h"
#include "compiler/reduce.h"

namespace pagejit::attend {
namespace {

constexpr double log2e = 1.4426950408889634;
constexpr double none_yet = -std::numeric_limits<double>::infinity();

/// What the state of the loop holds. Codes with scales of their own have two more: see weighted().
enum { max_, sum_, unit_, rest_ };

/// Whether zeros are elements that tensor cores multiply with: then they sum what zeros come to.
bool half_zeros(const Spec& s) {
  return s.meta == Elem::f16;
}

int outs(const Spec& s) {
  return model_metadata(s.quant) ? rest_ + 1 : unit_;
}

/// How many chunks of the queries stay in registers, beside the sums: of 255, fragments of K and V, scores and
/// addresses take the rest. Teams of many warps hold less of each.
std::size_t chunks_in_registers(const Spec& s, const Piece& chunk) {
  int rows = s.rows / s.down, sums = rows * s.dim_v / (32 * s.across), most = s.across > 1 ? 128 : 100;
  return static_cast<std::size_t>(std::max(0, most - sums) / (rows * chunk.size / 64));
}

/// Of rows that have seen nothing, 0: 2^(−∞ − 0) is 0, where −∞ − −∞ is NaN.
Tile finite(const Tile& base) {
  return select(base == none_yet, real(base, 0), base);
}

/// Whether it is so of any element that the warp holds.
Value any_in_warp(Kernel& k, const Tile& yes) {
  Value any(k, Type::i1, yes.reg(0));
  for (int i = 1; i < yes.registers(); ++i) any = any | Value(k, Type::i1, yes.reg(i));
  return Value(k.machine(MachineOp::ballot, {Value(cast(any, Type::i32))})[0] != 0);
}

/// Whether scores are handed around among the warps across, so that each has whole rows of them: the one exchange of a
/// turn, where a maximum and then the weights would be two. Many scores are better kept apart: each warp would take all
/// their powers.
bool whole_rows(const Spec& s) {
  return s.across > 1 && s.rows / s.down * s.keys <= 512;
}

/// Scores as they are taken powers of.
Layout seen_layout(const Spec& s) {
  if (!whole_rows(s)) return Layout::mma_c(s.rows, s.keys, {s.down, s.across});
  Layout one = Layout::mma_c(s.rows, s.keys, {s.down, 1});
  auto copy = [](std::span<const Coords> bases) { return std::vector<Coords>(bases.begin(), bases.end()); };
  std::vector<Coords> warp = copy(one.warp_bases());
  for (int n = 1; n < s.across; n *= 2) warp.push_back({});
  return Layout::of({s.rows, s.keys}, copy(one.reg_bases()), copy(one.lane_bases()), std::move(warp));
}

Tile real_tile(Kernel& k, const Layout& l, double value) {
  return k.full(l, Value(real(Tile(k.constant(Type::f32, 0)), value)));
}

}  // namespace

Softmax::Softmax(Kernel& k, const Spec& s, const Kernel::Parameters<Params>& p, const Caches& caches)
    : k_(k),
      s_(s),
      p_(p),
      caches_(caches),
      keys_(k, s, caches.keys),
      values_(k, s, caches.values),
      grid_{s.down, s.across},
      score_layout_(Layout::mma_c(s.rows, s.keys, grid_)),
      seen_layout_(seen_layout(s)),
      weight_layout_(Layout::mma_a(s.rows, s.keys, grid_)),
      sum_layout_(Layout::mma_c(s.rows, 8 * s.across, grid_)) {
  const auto& chunks = keys_.chunks();
  held_ = std::min(chunks.size(), chunks_in_registers(s, chunks[0]));
  Elem elem = product_type(s) == Type::bf16 ? Elem::bf16 : Elem::f16;
  for (std::size_t i = held_; i < chunks.size(); ++i)
    shared_queries_.emplace_back(k, "queries", elem, s.rows, chunks[i].size);
  if (s.across > 1 && !whole_rows(s)) shared_weights_.emplace(k, "weights", elem, s.rows, s.keys);
}

Softmax::Places Softmax::places(const Layout& layout) const {
  Tile row = k_.arange(layout, 0) + rows_.first;
  return {row / s_.group + rows_.first_query, row % s_.group + rows_.first_head, row < rows_.count};
}

/// A chunk of the queries as it is stored; zeros where there are none.
Tile Softmax::loaded(const Layout& l, const Piece& chunk) const {
  int aligned = promised_bytes(s_.align, s_.q), step = aligned / bytes(s_.q);
  Pointer q = p_.tensor(&Params::q, s_.q, aligned);
  Value token = p_(&Params::q_token, {.multiple_of = step}), head = p_(&Params::q_head, {.multiple_of = step});
  Places at = places(l);
  auto [element, live] = keys_.query_columns(l, chunk);
  return k_.load(q + (wide(at.query) * token + wide(at.head) * head + wide(element)), at.live & live, "query");
}

/// bf16 has a range that f16 lacks: a row is brought to a largest element of 1 to 2, which costs nothing but a factor.
void Softmax::find_row_scales() {
  Tile most;
  for (const Piece& c : keys_.chunks()) {
    Layout l = Layout::mma_a(s_.rows, c.size, grid_);
    Tile part = reduce(k_, unary(Unary::abs, cast(loaded(l, c), Type::f32)), 1, Reduce::max);
    part = convert(k_, part, seen_layout_.slice(1));
    most = most ? maximum(most, part) : part;
  }
  grow_ = power_of_two_above(minimum(maximum(most, 1e-30), 1e30));
  shrink_ = fast(MachineOp::rcp_fast, grow_);
  if (s_.quant == Quant::fp8) shrink_ = select(caches_.key_scale < 0.0, unary(Unary::neg, shrink_), shrink_);
}

void Softmax::load_queries() {
  queries_.clear();
  bool scaled = product_type(s_) != type_of(s_.q) || s_.quant == Quant::fp8;
  if (scaled) find_row_scales();
  auto load = [&](const Layout& l, const Piece& c) {
    Tile q = loaded(l, c);
    if (!scaled) return q;
    return cast(cast(q, Type::f32) * convert(k_, shrink_, l.slice(1)), Type::f16);
  };
  const auto& chunks = keys_.chunks();
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Piece& c = chunks[i];
    Layout fragment = Layout::mma_a(s_.rows, c.size, grid_);
    if (i < held_) {
      queries_.push_back(load(fragment, c));
    } else if (scaled || s_.quant != Quant::none) {
      shared_queries_[i - held_].store(load(fragment, c), k_.constant(Type::i32, 0));
    } else {
      // A barrier has passed since the sequence before was read, and one comes before this one is.
      int vec = std::min(c.size, promised_bytes(s_.align, s_.q) / bytes(s_.q)), across = std::min(32, c.size / vec);
      Layout l = Layout::blocked({s_.rows, c.size}, {1, vec}, {32 / across, across}, {k_.warps(), 1}, {1, 0});
      shared_queries_[i - held_].store(load(l, c), k_.constant(Type::i32, 0));
    }
  }
}

void Softmax::begin(const QueryRows& rows, const Value& length, const Value& queries) {
  rows_ = rows;
  load_queries();
  Layout of_rows = seen_layout_.slice(1);
  // Positive: a largest product is a largest score. A sign of the keys' scale is the queries' own by now.
  Value factor = s_.softcap ? p_(&Params::inv_cap) : p_(&Params::scale);
  if (s_.quant == Quant::fp8) factor = Value(maximum(factor * Value(unary(Unary::abs, caches_.key_scale)), 1e-37));
  factor_ = grow_ ? grow_ * factor : Tile(factor);
  if (model_metadata(s_.quant)) {
    if (!shared_queries_.empty()) k_.barrier();
    Value one(cast(k_.constant(Type::f32, 1), product_type(s_)));
    Tile sums = real_tile(k_, sum_layout_, 0);
    for (std::size_t i = 0; i < keys_.chunks().size(); ++i)
      sums = dot(k_, query(i), k_.full(Layout::mma_b(keys_.chunks()[i].size, 8 * s_.across, grid_), one), sums);
    query_sums_ = convert(k_, reduce(k_, sums, 1, Reduce::max), of_rows);
  }
  Tile row = k_.arange(of_rows, 0) + rows.first;
  // The key of the query itself; before the first one if the sequence is shorter than its queries.
  own_key_ = row / s_.group + (length - queries);
  // `right` is so large where there is no bound that only the length counts.
  Value right = p_(&Params::right) + 1, first_key = rows.first / s_.group + (length - queries);
  to_ = minimum(own_key_ + right, length);
  all_to_ = minimum(first_key + right, length);  // the first row sees the fewest at this end
  if (s_.window) {
    Value left = p_(&Params::left);
    from_ = own_key_ - left;
    all_from_ = (rows.first + (s_.rows - 1)) / s_.group + (length - queries) - left;
  }
  if (s_.alibi) {
    Tile of_head = row % s_.group + rows.first_head;
    slope_ = k_.load(p_.tensor(&Params::slopes, Elem::f32) + of_head, row < rows.count, "slope") * log2e;
  }
}

std::vector<Tile> Softmax::none() const {
  std::vector<Tile> state{real_tile(k_, seen_layout_.slice(1), none_yet), real_tile(k_, sum_layout_, 0)};
  if (model_metadata(s_.quant)) {
    state.push_back(real(Tile(k_.constant(Type::f32, 0)), 1e-30));
    state.push_back(real_tile(k_, half_zeros(s_) ? sum_layout_ : seen_layout_, 0));
  }
  for (const Layout& l : values_.sums()) state.push_back(real_tile(k_, l, 0));
  return state;
}

Tile Softmax::query(std::size_t chunk) const {
  if (chunk < held_) return queries_[chunk];
  Layout l = Layout::mma_a(s_.rows, keys_.chunks()[chunk].size, grid_);
  return shared_queries_[chunk - held_].load(l, k_.constant(Type::i32, 0));
}

/// The scale and the zero of each key, for each element of the scores.
Softmax::Pairs Softmax::pairs(const CacheRows& rows, const Value& stage) const {
  // A register for the scale and one for the zero, for each register of the scores.
  auto by_key = [](std::span<const Coords> bases) {
    std::vector<Coords> all;
    for (const Coords& c : bases) all.push_back({c[1], 0});
    return all;
  };
  std::vector<Coords> reg = by_key(seen_layout_.reg_bases());
  reg.insert(reg.begin(), Coords{0, 1});
  Layout l = Layout::of({s_.keys, 2}, reg, by_key(seen_layout_.lane_bases()), by_key(seen_layout_.warp_bases()));
  Tile both = rows.tile(0).load(l, stage);
  auto scores = std::make_shared<const Layout>(seen_layout_);
  std::array<std::vector<Reg>, 2> regs;
  for (int i = 0; i < both.registers(); ++i) regs[static_cast<std::size_t>(i % 2)].push_back(both.reg(i));
  return {cast(Tile(k_, both.type(), scores, std::move(regs[0])), Type::f32),
          Tile(k_, both.type(), scores, std::move(regs[1]))};
}

Tile Softmax::scores(const Value& stage) const {
  // Few scores a warp are few chains of products, each waiting for the one before: then more, of alternate chunks.
  int chains = score_layout_.registers() / 4;
  std::size_t ways = std::min<std::size_t>(keys_.chunks().size(), chains >= 4 ? 1 : chains == 2 ? 2 : 4);
  if (s_.quant == Quant::int4) ways = 2;  // the halves of a byte come in units of their own
  std::vector<Tile> sums(ways, real_tile(k_, score_layout_, 0));
  keys_.each(stage, [&](std::size_t i, const Tile& fragment) {
    sums[i % ways] = dot(k_, query(i), fragment, sums[i % ways]);
  });
  for (std::size_t i = 1; i < ways; ++i) {
    double less = keys_.unit(0) / keys_.unit(i);
    sums[0] = less == 1 ? sums[0] + sums[i] : fma(sums[i], real_tile(k_, score_layout_, less), sums[0]);
  }
  // A barrier comes before every turn: see take().
  Tile all = convert(k_, sums[0], seen_layout_, true);
  if (!model_metadata(s_.quant)) return all;
  // q · (code − zero) · scale: the zero's part is the same for all elements of a key.
  auto [scale, zero] = pairs(*caches_.key_pairs, stage);
  Tile less = unary(Unary::neg, cast(zero, Type::f32) * keys_.unit(0));
  return fma(query_sums_, less, all) * (scale * (1 / keys_.unit(0)));
}

/// Whether scores are products with queries times a factor, and nothing else.
bool Softmax::plain() const {
  return !s_.softcap && !s_.alibi;
}

/// Scores as powers of two, where they are plain still without the factor; −∞ where a key is not seen.
Tile Softmax::seen(const Value& tile, Tile scores) const {
  if (!plain()) scores = scores * factor_;
  if (s_.softcap) {
    // cap · tanh(x) = cap · (1 − 2 / (e^2x + 1)), all factors of two and of log2(e) folded in on the host.
    Tile power = fast(MachineOp::exp2_fast, scores) + 1.0;
    Value cap = p_(&Params::cap);
    scores = fma(fast(MachineOp::rcp_fast, power), k_.full(seen_layout_, Value(cap * -2.0)), cap);
  }
  Tile key = k_.arange(seen_layout_, 1) + tile * s_.keys;
  if (s_.alibi) scores = scores + slope_ * cast(key - own_key_, Type::f32);
  // Most turns are of keys that all rows see.
  Value first = tile * s_.keys, at_edge = first + s_.keys > all_to_;
  if (s_.window) at_edge = at_edge | (first < all_from_);
  return k_.when(at_edge, {scores}, [&](std::vector<Tile>& now) {
    Tile live = key < to_;
    if (s_.window) live = live & (key >= from_);
    now[0] = select(live, now[0], real(now[0], none_yet));
  })[0];
}

/// Weights as the first operand of products.
Tile Softmax::fragments(const Tile& weights) const {
  if (!shared_weights_) return convert(k_, weights, weight_layout_);
  Value only = k_.constant(Type::i32, 0);
  shared_weights_->store(weights, only);
  k_.barrier();
  return shared_weights_->load(weight_layout_, only);
}

/// Weights as V's codes are to be multiplied with. out = Σ p · (code − zero) · scale: the scale goes into the weight,
/// in units of a power of two that no scale so far is above, so that f16 holds it; the zero's part is summed by itself.
Tile Softmax::weighted(const Tile& weights, const Pairs& pairs, std::vector<Tile>& state) const {
  // Rounded before the zero is taken off: what the rounding loses is then multiplied with a difference, as it should
  // be.
  Tile scaled = cast(weights * (pairs.scale * fast(MachineOp::rcp_fast, state[unit_])), Type::f16);
  Tile rounded = convert(k_, scaled, weight_layout_);
  if (!half_zeros(s_)) {
    state[rest_] = fma(cast(scaled, Type::f32), cast(pairs.zero, Type::f32), state[rest_]);
    return rounded;
  }
  // Every column of the second operand is the zeros: a register of it is one of the first row of scores.
  Layout columns = Layout::mma_b(s_.keys, 8 * s_.across, grid_);
  std::vector<Reg> regs;
  for (int r = 0; r < columns.registers(); ++r) regs.push_back(pairs.zero.reg((r & 1) | r >> 1 << 2));
  Tile zeros(k_, Type::f16, std::make_shared<const Layout>(columns), std::move(regs));
  state[rest_] = dot(k_, rounded, zeros, state[rest_]);
  return rounded;
}

/// Sums are in units of 2^base, where base is not the largest score but at most `slack` below it, and of V's scales:
/// few turns bring them to other units.
void Softmax::settle(const Tile& most, const Tile& scale, std::vector<Tile>& state) const {
  constexpr double slack = 8;  // 2^8 is far from f16's largest
  Tile over = most > state[max_] + slack;
  Value change = any_in_warp(k_, over);
  if (scale) change = change | any_in_warp(k_, unary(Unary::abs, scale) > state[unit_]);  // one unit for all rows
  std::size_t count = static_cast<std::size_t>(outs(s_)) + values_.sums().size();
  std::vector<Tile> sums(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(count));
  sums = k_.when(change, std::move(sums), [&](std::vector<Tile>& now) {
    Tile base = select(over, most, now[max_]);
    Tile faded = fast(MachineOp::exp2_fast, now[max_] - finite(base));
    now[max_] = base;
    auto fade = [&](Tile& t) { t = t * convert(k_, faded, t.layout()->slice(1)); };
    fade(now[sum_]);
    if (scale) {
      Tile of_rows = reduce(k_, unary(Unary::abs, scale), 1, Reduce::max);
      Value largest(k_, Type::f32, of_rows.reg(0));
      Tile unit = maximum(now[unit_], power_of_two_above(minimum(maximum(largest, 1e-30), 1e30)));
      faded = faded * (now[unit_] * fast(MachineOp::rcp_fast, unit));
      now[unit_] = unit;
    }
    for (std::size_t i = scale ? rest_ : unit_; i < count; ++i) fade(now[i]);
  });
  std::move(sums.begin(), sums.end(), state.begin());
}

void Softmax::take(const Value& tile, const Value& stage, std::vector<Tile>& state) {
  Tile logits = seen(tile, scores(stage)), most = reduce(k_, logits, 1, Reduce::max, true);
  Pairs of_values;
  if (model_metadata(s_.quant)) of_values = pairs(*caches_.value_pairs, stage);
  settle(plain() ? most * factor_ : most, of_values.scale, state);
  Tile less = unary(Unary::neg, finite(state[max_]));
  Tile weights = fast(MachineOp::exp2_fast, plain() ? fma(logits, factor_, less) : logits + less);
  Type type = product_type(s_);
  Tile rounded = fragments(cast(weights, type));
  // The sum of what V is weighted with, rounding and all, and without a word between threads.
  Value one(cast(k_.constant(Type::f32, 1), type));
  state[sum_] = dot(k_, rounded, k_.full(Layout::mma_b(s_.keys, 8 * s_.across, grid_), one), state[sum_]);
  if (of_values.scale) rounded = weighted(weights, of_values, state);
  auto first = static_cast<std::size_t>(outs(s_));
  values_.each(stage, [&](std::size_t i, const Tile& fragment) {
    state[first + i] = dot(k_, rounded, fragment, state[first + i]);
  });
}

Softmax::Result Softmax::result(const std::vector<Tile>& state) const {
  Result r;
  r.max = state[max_];
  // All columns of the sums are the same: any of them will do.
  r.sum = convert(k_, reduce(k_, state[sum_], 1, Reduce::max), *r.max.layout());
  r.any = state[sum_] > 0.0;
  Tile logs = convert(k_, r.max, state[sum_].layout()->slice(1)) + fast(MachineOp::log2_fast, state[sum_]);
  r.logs = select(r.any, logs, real(logs, none_yet));
  std::vector<Tile> sums(state.begin() + outs(s_), state.end());
  r.out = values_.stretches(sums);
  Tile zeros, unit;
  if (model_metadata(s_.quant))
    zeros = reduce(k_, state[rest_], 1, half_zeros(s_) ? Reduce::max : Reduce::sum), unit = state[unit_];
  for (auto& stretch : r.out) {
    if (zeros) {
      Layout of_rows = stretch.values.layout()->slice(1);
      Tile codes = stretch.values * (1 / stretch.unit);
      stretch.values = (codes - convert(k_, zeros, of_rows)) * convert(k_, unit, of_rows);
    }
    if (s_.quant == Quant::fp8) stretch.values = stretch.values * caches_.value_scale;
  }
  return r;
}

}  // namespace pagejit::attend
