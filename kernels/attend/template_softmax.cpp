#include "kernels/attend/template_softmax.h"

#include <algorithm>
#include <functional>

#include "compiler/convert.h"
#include "compiler/reduce.h"

namespace pagejit::attend {
namespace {

constexpr double log2e = 1.4426950408889634;
/// A base of a row's powers is not the largest score but at most so far below it: 2^8 is far from f16's largest.
constexpr double slack = 8;
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

/// Whether it is so of any element that a thread holds; of any thread of the warp.
Value any_of(Kernel& k, const Tile& yes) {
  Value any(k, Type::i1, yes.reg(0));
  for (int i = 1; i < yes.registers(); ++i) any = any | Value(k, Type::i1, yes.reg(i));
  return any;
}
Value any_in_warp(Kernel& k, const Value& yes) {
  return Value(k.machine(MachineOp::ballot, {Value(cast(yes, Type::i32))})[0] != 0);
}

/// For what each thread makes of its own part of a row: as scores lie, but one register a row, the others its copies.
Layout in_threads(const Layout& scores) {
  std::vector<Coords> reg;
  for (const Coords& c : scores.reg_bases()) reg.push_back(c[1] == 0 ? c : Coords{});
  auto copy = [](std::span<const Coords> bases) { return std::vector<Coords>(bases.begin(), bases.end()); };
  auto shape = scores.shape();
  return Layout::of({shape.begin(), shape.end()}, std::move(reg), copy(scores.lane_bases()), copy(scores.warp_bases()));
}

/// The largest of what each thread has of a row.
Tile most_in_threads(Kernel& k, const Tile& scores) {
  const Layout& l = *scores.layout();
  auto shape = l.shape();
  Layout alone = Layout::of({shape.begin(), shape.end()}, {l.reg_bases().begin(), l.reg_bases().end()},
                            std::vector<Coords>(5), std::vector<Coords>(l.warp_bases().size()));
  Tile most = reduce(k, Tile(k, scores.type(), std::make_shared<const Layout>(alone), scores.regs()), 1, Reduce::max);
  return Tile(k, scores.type(), std::make_shared<const Layout>(in_threads(l)), most.regs());
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

/// Whether threads sum their weights up by themselves: few they are, and products take them in another form.
bool own_sums(const Spec& s) {
  return Products::turned(s) && model_metadata(s.quant);
}

/// Whether scores are handed around among the warps across, so that each has whole rows of them: the one exchange of a
/// turn, where a maximum and then the weights would be two. Many scores are better kept apart: each warp would take all
/// their powers.
bool whole_rows(const Spec& s) {
  return s.across > 1 && s.rows / s.down * s.keys <= 512;
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
      products_(k, s),
      keys_(k, s, products_, caches.keys),
      values_(k, s, products_, caches.values),
      score_layout_(products_.sums(s.keys)),
      seen_layout_(whole_rows(s) ? products_.whole_sums(s.keys) : score_layout_),
      weight_layout_(products_.rows(s.keys)),
      sum_layout_(products_.sums(products_.least_columns())) {
  if (splits_dims(s)) {
    split_.emplace(k, s, caches.keys, caches.values);
    seen_layout_ = split_->scores_layout(), sum_layout_ = split_->lanes_layout();
    return;
  }
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
    Layout l = products_.rows(c.size);
    Tile part = reduce(k_, unary(Unary::abs, cast(loaded(l, c), Type::f32)), 1, Reduce::max);
    part = convert(k_, part, seen_layout_.slice(1));
    most = most ? maximum(most, part) : part;
  }
  grow_ = power_of_two_above(minimum(maximum(most, 1e-30), 1e30));
  shrink_ = fast(MachineOp::rcp_fast, grow_);
  if (s_.quant == Quant::fp8) shrink_ = select(caches_.key_scale < 0.0, unary(Unary::neg, shrink_), shrink_);
}

void Softmax::load_queries() {
  if (split_) return split_->hold([&](const Layout& l, const Piece& c) { return loaded(l, c); });
  queries_.clear();
  bool scaled = product_type(s_) != type_of(s_.q) || s_.quant == Quant::fp8 || s_.quant == Quant::int4;
  if (scaled) find_row_scales();
  const auto& chunks = keys_.chunks();
  auto load = [&](const Layout& l, std::size_t i) {
    Tile q = loaded(l, chunks[i]);
    if (!scaled) return q;
    // So that all products are in units of the first chunk's codes.
    Tile shrink = convert(k_, shrink_, l.slice(1)) * (keys_.unit(0) / keys_.unit(i));
    return cast(cast(q, Type::f32) * shrink, Type::f16);
  };
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Piece& c = chunks[i];
    Layout fragment = products_.rows(c.size);
    if (i < held_) {
      queries_.push_back(load(fragment, i));
    } else if (scaled || s_.quant != Quant::none) {
      shared_queries_[i - held_].store(load(fragment, i), k_.constant(Type::i32, 0));
    } else {
      // A barrier has passed since the sequence before was read, and one comes before this one is.
      int vec = std::min(c.size, promised_bytes(s_.align, s_.q) / bytes(s_.q));
      Layout l = along_rows(s_.rows, c.size, vec, k_.warps());
      shared_queries_[i - held_].store(load(l, i), k_.constant(Type::i32, 0));
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
    Tile sums = real_tile(k_, sum_layout_, 0);
    for (std::size_t i = 0; i < keys_.chunks().size(); ++i) {
      Value one(cast(real(Tile(k_.constant(Type::f32, 0)), keys_.unit(i) / keys_.unit(0)), product_type(s_)));
      Layout ones = products_.others(keys_.chunks()[i].size, products_.least_columns());
      sums = products_.dot(query(i), k_.full(ones, one), sums);
    }
    query_sums_ = convert(k_, reduce(k_, sums, 1, Reduce::max), of_rows) * keys_.unit(0);
    factor_ = factor_ * (1 / keys_.unit(0));
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
  Layout in_thread = in_threads(seen_layout_);
  std::vector<Tile> state{real_tile(k_, seen_layout_.slice(1), none_yet),
                          real_tile(k_, own_sums(s_) ? in_thread : sum_layout_, 0)};
  if (model_metadata(s_.quant)) {
    state.push_back(real(Tile(k_.constant(Type::f32, 0)), 1e-30));
    state.push_back(real_tile(k_, half_zeros(s_) ? sum_layout_ : in_thread, 0));
  }
  for (const Layout& l : split_ ? split_->sums_layouts() : values_.sums()) state.push_back(real_tile(k_, l, 0));
  return state;
}

Tile Softmax::query(std::size_t chunk) const {
  if (chunk < held_) return queries_[chunk];
  Layout l = products_.rows(keys_.chunks()[chunk].size);
  return shared_queries_[chunk - held_].load(l, k_.constant(Type::i32, 0));
}

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
  auto powers = [&](const Tile& most) { return plain() ? most * factor_ : most; };
  // What a warp holds of a row is all of it: then threads need only agree on a new base, not to see that there is none.
  bool alone = !shared_weights_;
  Tile most = powers(alone ? most_in_threads(k_, logits) : reduce(k_, logits, 1, Reduce::max, true));
  Value large = any_of(k_, most > state[max_] + slack);
  if (scale) large = large | any_of(k_, unary(Unary::abs, scale) > state[unit_]);  // one unit for all rows
  Value change = any_in_warp(k_, large);
  std::size_t count = static_cast<std::size_t>(outs(s_)) + values_.sums().size();
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

/// Each warp has whole rows of scores, and others sum what they are weights of: rows fade where the weights are used.
void Softmax::take_split(const Value& tile, const Value& stage, std::vector<Tile>& state,
                         const std::function<void()>& fill) const {
  Tile logits = seen(tile, split_->scores(stage, fill)), most = reduce(k_, logits, 1, Reduce::max);
  if (plain()) most = most * factor_;
  Tile over = most > state[max_] + slack, base = select(over, most, state[max_]);
  Tile faded = select(over, fast(MachineOp::exp2_fast, state[max_] - finite(base)), real(most, 1));
  state[max_] = base;
  Tile less = unary(Unary::neg, finite(base));
  Tile weights = fast(MachineOp::exp2_fast, plain() ? fma(logits, factor_, less) : logits + less);
  Tile rounded = cast(weights, type_of(s_.q));
  // The sum of what V is weighted with, rounding and all.
  faded = convert(k_, faded, sum_layout_.slice(1));
  split_->add(rounded, faded, stage, state, static_cast<std::size_t>(outs(s_)),
              [&] { state[sum_] = fma(state[sum_], faded, split_->sum(rounded)); });
}

void Softmax::take(const Value& tile, const Value& stage, std::vector<Tile>& state, const std::function<void()>& fill) {
  if (split_) return take_split(tile, stage, state, fill);
  fill();
  Tile logits = seen(tile, scores(stage));
  ValuePairs of_values;
  if (model_metadata(s_.quant)) of_values = value_pairs(stage);
  settle(logits, of_values.scale, state);
  Tile less = unary(Unary::neg, finite(state[max_]));
  Tile weights = fast(MachineOp::exp2_fast, plain() ? fma(logits, factor_, less) : logits + less);
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
  auto first = static_cast<std::size_t>(outs(s_));
  values_.each(stage, [&](std::size_t i, const Tile& fragment) {
    state[first + i] = products_.dot(rounded, fragment, state[first + i]);
  });
}

Softmax::Result Softmax::result(const std::vector<Tile>& state) const {
  Result r;
  r.max = state[max_];
  // All columns of the products' sums are the same: any of them will do.
  Tile sums = state[sum_];
  if (split_) sums = real_tile(k_, sum_layout_, 0) + reduce(k_, sums, 1, Reduce::sum);
  r.sum = convert(k_, reduce(k_, sums, 1, own_sums(s_) ? Reduce::sum : Reduce::max), *r.max.layout());
  if (own_sums(s_)) sums = convert(k_, r.sum, sum_layout_.slice(1)) + real_tile(k_, sum_layout_, 0);
  r.any = sums > 0.0;
  Tile logs = convert(k_, r.max, sum_layout_.slice(1)) + fast(MachineOp::log2_fast, sums);
  r.logs = select(r.any, logs, real(logs, none_yet));
  r.out = values_.stretches({state.begin() + outs(s_), state.end()});
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
