#include "kernels/attend/template_softmax.h"

#include <algorithm>
#include <functional>

#include "compiler/convert.h"
#include "compiler/reduce.h"
#include "kernels/attend/template_state.h"

namespace pagejit::attend {
namespace {

/// How many chunks of the queries stay in registers, beside the sums: of 255, fragments of K and V, scores and
/// addresses take the rest. Teams of many warps hold less of each.
std::size_t chunks_in_registers(const Spec& s, const Piece& chunk) {
  int rows = s.rows / s.down, sums = rows * s.dim_v / (32 * s.across), most = s.across > 1 ? 128 : 100;
  return static_cast<std::size_t>(std::max(0, most - sums) / (rows * chunk.size / 64));
}

/// Whether scores are handed around among the warps across, so that each has whole rows of them: the one exchange of a
/// turn, where a maximum and then the weights would be two. Many scores are better kept apart: each warp would take all
/// their powers.
bool whole_rows(const Spec& s) {
  return s.across > 1 && s.rows / s.down * s.keys <= 512;
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
  r.out = values_.stretches({state.begin() + static_cast<std::ptrdiff_t>(outs(s_)), state.end()});
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
