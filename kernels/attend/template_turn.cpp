// A turn: the scores of some keys, the weights that they give, and what these are weights of.
#include <algorithm>
#include <functional>

#include "compiler/convert.h"
#include "compiler/reduce.h"
#include "kernels/attend/template_softmax.h"
#include "kernels/attend/template_state.h"

namespace pagejit::attend {
namespace {

/// A base of a row's powers is not the largest score but at most so far below it: 2^8 is far from f16's largest.
constexpr double slack = 8;

/// Of rows that have seen nothing, 0: 2^(−∞ − 0) is 0, where −∞ − −∞ is NaN.
Tile finite(const Tile& base) {
  return select(base == none_yet, real(base, 0), base);
}

/// Whether it is so of any element that a thread holds; of any thread of the warp.
Value any_of(Kernel& k, const Tile& yes) {
  Value any(k, Type::i1, yes.reg(0));
  for (int i = 1; i < yes.registers(); ++i) any = any | Value(k, Type::i1, yes.reg(i));
  return any;
}
Value any_in_warp(Kernel& k, const Value& yes) {
  return Value(k.machine(MachineOp::ballot, {Value(cast(yes, Type::i32))})[0] != 0);
}

/// The largest of what each thread has of a row.
Tile most_in_threads(Kernel& k, const Tile& scores) {
  const Layout& l = *scores.layout();
  auto shape = l.shape();
  Layout alone = Layout::of({shape.begin(), shape.end()}, {l.reg_bases().begin(), l.reg_bases().end()},
                            std::vector<Coords>(5), std::vector<Coords>(l.warp_bases().size()));
  Tile most = reduce(k, relabelled(scores, alone), 1, Reduce::max);
  return relabelled(most, in_threads(l));
}

/// What each thread has summed up of a row, and add(that sum, register) for each register of the row besides.
Tile sums_in_threads(Kernel& k, const Tile& sums, const std::function<Tile(const Tile& sum, int)>& add) {
  std::vector<Reg> regs;
  int copies = sums.layout()->free_bits().reg;
  for (int r = 0; r < sums.layout()->registers(); ++r) regs.push_back(sums.reg(r & ~copies));
  for (int r = 0; r < sums.layout()->registers(); ++r) {
    Reg& sum = regs[static_cast<std::size_t>(r & ~copies)];
    sum = add(Value(k, Type::f32, sum), r).reg(0);
  }
  for (std::size_t r = 0; r < regs.size(); ++r) regs[r] = regs[r & ~static_cast<std::size_t>(copies)];
  return Tile(k, Type::f32, sums.layout(), std::move(regs));
}

}  // namespace

/// The scale and the zero of each element's key, as they are stored; keys are dim `dim` of the layout.
std::array<Tile, 2> Softmax::pairs(const CacheRows& rows, const Value& stage, const Layout& to, std::size_t dim) const {
  auto by_key = [&](std::span<const Coords> bases) {
    std::vector<Coords> all;
    for (const Coords& c : bases) all.push_back({c[dim], 0});
    return all;
  };
  // A register for the scale and one for the zero, for each register of `to`.
  std::vector<Coords> reg = by_key(to.reg_bases());
  reg.insert(reg.begin(), Coords{0, 1});
  Layout l = Layout::of({s_.keys, 2}, reg, by_key(to.lane_bases()), by_key(to.warp_bases()));
  Tile both = rows.tile(0).load(l, stage);
  auto layout = std::make_shared<const Layout>(to);
  std::array<std::vector<Reg>, 2> regs;
  for (int i = 0; i < both.registers(); ++i) regs[static_cast<std::size_t>(i % 2)].push_back(both.reg(i));
  return {Tile(k_, both.type(), layout, std::move(regs[0])), Tile(k_, both.type(), layout, std::move(regs[1]))};
}

Tile Softmax::scores(const Value& stage) const {
  // Few scores a warp are few chains of products, each waiting for the one before: then more, of alternate chunks.
  int chains = score_layout_.registers() / 4;
  std::size_t ways = std::min<std::size_t>(keys_.chunks().size(), chains >= 4 ? 1 : chains == 2 ? 2 : 4);
  if (s_.quant == Quant::int4) ways = 1;  // bound by instructions, and other warps have work
  std::vector<Tile> sums(ways, real_tile(k_, score_layout_, 0));
  keys_.each(stage, [&](std::size_t i, const Tile& fragment) {
    sums[i % ways] = products_.dot(query(i), fragment, sums[i % ways]);
  });
  for (std::size_t i = 1; i < ways; ++i) sums[0] = sums[0] + sums[i];
  // A barrier comes before every turn: see take().
  Tile all = convert(k_, sums[0], seen_layout_, true);
  if (!model_metadata(s_.quant)) return all;
  // q · (code − zero) · scale: the zero's part is the same for all elements of a key. In units of codes still.
  auto [scale, zero] = pairs(*caches_.key_pairs, stage, seen_layout_, 1);
  return fma(query_sums_, unary(Unary::neg, cast(zero, Type::f32)), all) * cast(scale, Type::f32);
}

/// Whether scores are products with queries times a factor, and nothing else.
bool Softmax::plain() const {
  return !s_.softcap && !s_.alibi;
}

/// Of scores as seen() gives them.
Tile Softmax::powers(const Tile& logits) const {
  return plain() ? logits * factor_ : logits;
}

/// 2^(score − base).
Tile Softmax::weights(const Tile& logits, const Tile& base) const {
  Tile less = unary(Unary::neg, finite(base));
  return fast(MachineOp::exp2_fast, plain() ? fma(logits, factor_, less) : logits + less);
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
  auto visible = [&](const Tile& all) {
    Tile live = key < to_;
    if (s_.window) live = live & (key >= from_);
    return select(live, all, real(all, none_yet));
  };
  if (split_) return visible(scores);  // amid products, where a branch would part what is summed
  // Most turns are of keys that all rows see.
  Value first = tile * s_.keys, at_edge = first + s_.keys > all_to_;
  if (s_.window) at_edge = at_edge | (first < all_from_);
  return k_.when(at_edge, {scores}, [&](std::vector<Tile>& now) { now[0] = visible(now[0]); })[0];
}

/// Weights as the first operand of products.
Tile Softmax::fragments(const Tile& weights) const {
  if (!shared_weights_) return products_.as_rows(weights);
  Value only = k_.constant(Type::i32, 0);
  shared_weights_->store(weights, only);
  k_.barrier();
  return shared_weights_->load(weight_layout_, only);
}

/// Weights as V's codes are to be multiplied with. out = Σ p · (code − zero) · scale: the scale goes into the weight,
/// in units of a power of two that no scale so far is above, so that f16 holds it; the zero's part is summed by itself.
Tile Softmax::weighted(const Tile& weights, const ValuePairs& pairs, std::vector<Tile>& state) const {
  // Rounded before the zero is taken off: what the rounding loses is then multiplied with a difference, as it should
  // be.
  Tile scaled = cast(weights * (pairs.scale * fast(MachineOp::rcp_fast, state[unit_])), Type::f16);
  Tile rounded = products_.as_rows(scaled);
  if (half_zeros(s_))
    state[rest_] = products_.dot(rounded, pairs.zero, state[rest_]);
  else
    state[rest_] = sums_in_threads(
        k_, state[rest_], [&, w = cast(scaled, Type::f32), zero = cast(pairs.zero, Type::f32)](const Tile& sum, int r) {
          return fma(Value(k_, Type::f32, w.reg(r)), Value(k_, Type::f32, zero.reg(r)), sum);
        });
  return rounded;
}

/// V's scales for each element of the scores. Its zeros too, or, where products sum them, as each column of what
/// weights are multiplied with.
Softmax::ValuePairs Softmax::value_pairs(const Value& stage) const {
  auto [scale, zero] = pairs(*caches_.value_pairs, stage, seen_layout_, 1);
  if (half_zeros(s_)) zero = zero_columns(zero, stage);
  return {cast(scale, Type::f32), zero};
}

Tile Softmax::zero_columns(const Tile& zero, const Value& stage) const {
  Layout columns = products_.others(s_.keys, products_.least_columns());
  if (products_.turned()) return pairs(*caches_.value_pairs, stage, columns, 0)[1];
  // A thread has the same keys of both: a register is one of the first row of scores.
  std::vector<Reg> regs;
  for (int r = 0; r < columns.registers(); ++r) regs.push_back(zero.reg((r & 1) | r >> 1 << 2));
  return Tile(k_, Type::f16, std::make_shared<const Layout>(columns), std::move(regs));
}

/// Sums are in units of 2^base, where base is not the largest score but at most `slack` below it, and of V's scales:
/// few turns bring them to other units.
void Softmax::settle(const Tile& logits, const Tile& scale, std::vector<Tile>& state) const {
  // What a warp holds of a row is all of it: then threads need only agree on a new base, not to see that there is none.
  bool alone = !shared_weights_;
  Tile most = powers(alone ? most_in_threads(k_, logits) : reduce(k_, logits, 1, Reduce::max, true));
  Value large = any_of(k_, most > state[max_] + slack);
  if (scale) large = large | any_of(k_, unary(Unary::abs, scale) > state[unit_]);  // one unit for all rows
  Value change = any_in_warp(k_, large);
  std::size_t count = outs(s_) + values_.sums().size();
  std::vector<Tile> sums(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(count));
  sums = k_.when(change, std::move(sums), [&](std::vector<Tile>& now) {
    Tile all = alone ? reduce(k_, most, 1, Reduce::max) : most;
    Tile base = select(all > now[max_] + slack, all, now[max_]);
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

/// Each warp has whole rows of scores, and others sum what they are weights of: rows fade where the weights are used,
/// a turn later.
void Softmax::take_split(const Value& tile, const Value& stage, const Value& before, const Value& turns,
                         std::vector<Tile>& state, const std::function<void()>& fill) const {
  std::vector<Reg> own = split_->multiply(stage, turns);
  SplitProducts::Fading fading;
  if (before) fading = split_->fading(tile - 1);
  fill();
  Tile logits, most, faded, rounded, base = state[max_], sum = state[sum_];
  std::vector<std::function<void()>> steps = split_->scores(own, logits);
  steps.push_back([&] { logits = seen(tile, logits); });
  steps.push_back([&] { most = powers(reduce(k_, logits, 1, Reduce::max)); });
  steps.push_back([&] {
    Tile over = most > base + slack, now = select(over, most, base);
    faded = select(over, fast(MachineOp::exp2_fast, base - finite(now)), real(most, 1));
    base = now;
    rounded = cast(weights(logits, base), type_of(s_.q));
    faded = convert(k_, faded, sum_layout_.slice(1));
  });
  steps.push_back([&] { split_->give(tile, rounded, faded); });
  // The sum of what V is weighted with, rounding and all.
  steps.push_back([&] { sum = fma(sum, faded, split_->sum(rounded)); });
  if (before)
    split_->add(tile - 1, before, fading, state, outs(s_), steps);
  else
    for (const auto& step : steps) step();
  state[max_] = base, state[sum_] = sum;
}

void Softmax::finish_split(const Value& tile, const Value& stage, const Value& turns, std::vector<Tile>& state) const {
  split_->wait_for_given(turns);
  split_->add(tile, stage, split_->fading(tile), state, outs(s_), {});
}

void Softmax::take(const Value& tile, const Value& stage, std::vector<Tile>& state, const std::function<void()>& fill) {
  fill();
  Tile logits = seen(tile, scores(stage));
  ValuePairs of_values;
  if (model_metadata(s_.quant)) of_values = value_pairs(stage);
  settle(logits, of_values.scale, state);
  Tile weights = this->weights(logits, state[max_]);
  Type type = product_type(s_);
  Tile rounded;
  if (own_sums(s_)) {
    state[sum_] = sums_in_threads(k_, state[sum_],
                                  [&](const Tile& sum, int r) { return sum + Value(k_, Type::f32, weights.reg(r)); });
  } else {
    rounded = fragments(cast(weights, type));
    // The sum of what V is weighted with, rounding and all, and without a word between threads.
    Value one(cast(k_.constant(Type::f32, 1), type));
    Tile ones = k_.full(products_.others(s_.keys, products_.least_columns()), one);
    state[sum_] = products_.dot(rounded, ones, state[sum_]);
  }
  if (of_values.scale) rounded = weighted(weights, of_values, state);
  auto first = outs(s_);
  values_.each(stage, [&](std::size_t i, const Tile& fragment) {
    state[first + i] = products_.dot(rounded, fragment, state[first + i]);
  });
}

}  // namespace pagejit::attend
