// How a case's tensors and lists are said to pagejit.
#include <algorithm>
#include <cstring>

#include "tests/kernels/rope_case.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t garbage = 2147480000;

}  // namespace

Tensor RopeRun::rows_tensor(const Walk& w, bool flat) const {
  std::byte* at = w.memory->buffer.data() + w.at(0, 0, 0);
  if (flat) return Tensor(at, w.elem, {w.pages, w.dim}, {w.page_step, 1});
  return Tensor(at, w.elem, {w.pages, w.heads, w.dim}, {w.page_step, w.head_step, 1});
}

Tensor RopeRun::cache_tensor(const Walk& w) const {
  std::byte* at = w.memory->buffer.data() + w.at(0, 0, 0);
  if (c_.layout == RopeAppendArgs::Layout::nhd)
    return Tensor(at, w.elem, {w.pages, w.rows, w.heads, w.dim}, {w.page_step, w.row_step, w.head_step, 1});
  return Tensor(at, w.elem, {w.pages, w.heads, w.rows, w.dim}, {w.page_step, w.head_step, w.row_step, 1});
}

Tensor RopeRun::mla_tensor(const Walk& w) const {
  std::byte* at = w.memory->buffer.data() + w.at(0, 0, 0);
  return Tensor(at, w.elem, {w.pages, w.rows, w.dim}, {w.page_step, w.row_step, 1});
}

void RopeRun::make_shared_args(RopeInputs& a) {
  bool flat = c_.kv_heads == 1 && c_.seed % 2 == 0;
  a.q_rope = rows_tensor(q_rope_.in, false), a.q_rope_out = rows_tensor(q_rope_.out, false);
  a.k_rope = rows_tensor(k_rope_.in, flat);
  if (c_.nope_dim > 0) {
    a.q_nope = rows_tensor(q_nope_.in, false), a.q_nope_out = rows_tensor(q_nope_.out, false);
    a.k_nope = rows_tensor(k_nope_.in, flat);
  }
  std::vector<std::int64_t> ids = positions_;
  for (std::int64_t t = 0; t < c_.tokens; ++t)
    if (is_padding(t)) ids[static_cast<std::size_t>(t)] = garbage;
  a.pos_ids = list("pos_ids", c_.pos, ids);
  auto m = add("cos_sin_cache", table_.size() * sizeof(float), false);
  std::memcpy(m->image.data() + rope_guard, table_.data(), table_.size() * sizeof(float));
  for (std::size_t t = 0; t < positions_.size(); ++t)
    if (!places_[t].padding)
      std::fill_n(m->read.begin() + static_cast<std::ptrdiff_t>(rope_guard) + positions_[t] * c_.rope_dim * 4,
                  c_.rope_dim * 4, true);
  a.cos_sin_cache = Tensor(m->buffer.data() + rope_guard, Elem::f32, {table_rows_, c_.rope_dim});
  a.style = c_.style, a.settled = c_.settled, a.tuning = c_.tuning;
  auto scale = [&](const char* label, float value, Elem out, float& number, Tensor& in_memory) {
    if (out == c_.in) return;
    number = c_.scales_in_memory ? 100.f : value;  // which is then not used
    if (!c_.scales_in_memory) return;
    auto at = add(label, sizeof(float), false);
    std::memcpy(at->image.data() + rope_guard, &value, sizeof(float));
    std::fill_n(at->read.begin() + rope_guard, sizeof(float), true);
    in_memory = Tensor(at->buffer.data() + rope_guard, Elem::f32, {1});
  };
  scale("scale_q", c_.scale_q, c_.q, a.scale_q, a.scale_q_device);
  scale("scale_kv", c_.scale_kv, c_.kv, a.scale_kv, a.scale_kv_device);
}

/// Each page belongs to a sequence of its own, so that any cell may be any token's: sequence b has the entries
/// (garbage, b). Where b is odd the garbage is its first page, which nobody asks for: its positions begin on the
/// second. Padding is a negative sequence, or a negative position.
void RopeRun::make_place_args(RopePlaces& a) {
  std::vector<std::int64_t> slots, batch, position, indptr, indices;
  for (std::int64_t b = 0; b < page_count_; ++b) {
    indices.insert(indices.end(), {garbage, b});
    indptr.push_back(2 * b + (b % 2 == 0));
  }
  std::vector<bool> used(indices.size());
  for (std::int64_t t = 0; t < c_.tokens; ++t) {
    const reference::RopePlace& to = places_[static_cast<std::size_t>(t)];
    bool dead = to.padding && !(c_.valid >= 0 && t >= c_.valid);
    slots.push_back(dead ? -1 - t % 3 : to.page * c_.page + to.row);
    batch.push_back(dead && t % 2 == 0 ? -1 : to.page);
    position.push_back(dead && t % 2 != 0 ? -1 : to.row + (to.page % 2) * c_.page);
    if (!to.padding) used[static_cast<std::size_t>(2 * to.page + 1)] = true;
  }
  indptr.push_back(static_cast<std::int64_t>(indices.size()));
  if (c_.by_slot) {
    a.slots = list("slots", c_.list, slots);
  } else {
    a.batch_indices = list("batch_indices", c_.list, batch);
    a.positions = list("positions", c_.list, position);
    a.kv_indptr = list("kv_indptr", c_.list, indptr);
    a.kv_indices = list("kv_indices", c_.list, indices, used);
  }
  if (c_.valid >= 0) a.valid_tokens = list("valid_tokens", Elem::i32, {c_.valid});
  a.padding = c_.padding;
}

void RopeRun::make_args() {
  bool flat = c_.kv_heads == 1 && c_.seed % 2 == 0;
  switch (c_.call) {
    case RopeCase::Call::quantize:
      make_shared_args(quantize_);
      quantize_.k_rope_out = rows_tensor(k_rope_.out, flat);
      if (c_.nope_dim > 0) quantize_.k_nope_out = rows_tensor(k_nope_.out, flat);
      if (c_.dim_v > 0) quantize_.v = rows_tensor(v_.in, false), quantize_.v_out = rows_tensor(v_.out, false);
      return;
    case RopeCase::Call::append:
      make_shared_args(append_);
      make_place_args(append_);
      append_.v = rows_tensor(v_.in, false), append_.layout = c_.layout;
      append_.k_cache = cache_tensor(k_rope_.out), append_.v_cache = cache_tensor(v_.out);
      append_.k_cache.shape[3] = c_.rope_dim + c_.nope_dim;
      return;
    case RopeCase::Call::append_mla:
      make_shared_args(mla_);
      make_place_args(mla_);
      mla_.ckv_cache = mla_tensor(k_nope_.out), mla_.kpe_cache = mla_tensor(k_rope_.out);
  }
}

void RopeRun::forbid_rest(const ForbidFunction& forbid) {
  for (const auto& m : memories_)
    for (std::size_t i = 0; i < m->read.size();) {
      std::size_t end = i + 1;
      while (end < m->read.size() && m->read[end] == m->read[i]) ++end;
      if (!m->read[i]) forbid(m->buffer.data() + i, end - i);
      i = end;
    }
}

}  // namespace pagejit::tests
