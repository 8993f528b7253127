// The arguments of a call, and its lists.
#include <algorithm>
#include <cstring>

#include "tests/kernels/append_case.h"

namespace pagejit::tests {
namespace {

using Call = AppendCase::Call;
constexpr std::int64_t garbage_page = 2147480000;

}  // namespace

Tensor AppendRun::list(const char* name, Elem elem, const std::vector<std::int64_t>& values) {
  List& l = lists_[name];
  l.image.resize(values.size() * static_cast<std::size_t>(bytes(elem)));
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(&l.image[i * static_cast<std::size_t>(bytes(elem))], &values[i], static_cast<std::size_t>(bytes(elem)));
  l.buffer = DeviceBuffer(context_, l.image, name);
  return Tensor(l.buffer.data(), elem, {static_cast<std::int64_t>(values.size())});
}

Tensor AppendRun::in_tensor(const Side& s, int rank) const {
  const std::byte* at = s.in_buffer.data() + s.in_offset;
  std::int64_t size = bytes(c_.in);
  if (rank == 2) return {at, c_.in, {input_rows_, s.dim}, {s.in_token / size, 1}};
  return {at, c_.in, {input_rows_, c_.heads, s.dim}, {s.in_token / size, s.in_head / size, 1}};
}

Tensor AppendRun::cache_tensor(const Place& p, Elem elem, int rank) const {
  const std::byte* at = stores_[static_cast<std::size_t>(p.store)].buffer.data() + p.offset;
  std::int64_t size = bytes(elem), page = p.page / size, row = p.row / size, head = p.head / size;
  if (rank == 3) return {at, elem, {page_count_, c_.page, p.width}, {page, row, 1}};
  if (c_.layout == CacheLayout::nhd) return {at, elem, {page_count_, c_.page, c_.heads, p.width}, {page, row, head, 1}};
  return {at, elem, {page_count_, c_.heads, c_.page, p.width}, {page, head, row, 1}};
}

void AppendRun::rows_args(AppendRows& a) {
  a.quant = c_.quant, a.scale_rule = c_.rule, a.power_of_two = c_.power_of_two, a.layout = c_.layout;
  if (rows_656()) {
    a.k = in_tensor(side_k_, 3), a.v = in_tensor(side_v_, 3);
    a.k_cache = cache_tensor(side_k_.codes, Elem::u8, 4);
    return;
  }
  auto set = [&](const Side& s, Tensor& in, Tensor& cache, Tensor& scales) {
    in = in_tensor(s, 3);
    cache = cache_tensor(s.codes, s.stored, 4);
    if (s.quant == Quant::fp8)
      scales = Tensor(s.scale_buffer.data(), Elem::f32, {static_cast<std::int64_t>(s.scales.size())});
    else if (s.metadata.store >= 0)
      scales = cache_tensor(s.metadata, model_metadata(s.quant) ? c_.meta : Elem::f32, 4);
  };
  set(side_k_, a.k, a.k_cache, a.k_scales);
  if (two_sides()) set(side_v_, a.v, a.v_cache, a.v_scales);
}

void AppendRun::make_args() {
  std::vector<std::int64_t> kv, q, indptr{0}, table, entries, kv_indptr{0}, slots;
  for (std::size_t b = 0; b < c_.sequences.size(); ++b) {
    q.push_back(c_.sequences[b].length), kv.push_back(c_.sequences[b].history + c_.sequences[b].length);
    indptr.push_back(indptr.back() + q.back());
    table.insert(table.end(), pages_[b].begin(), pages_[b].end());
    table.resize((b + 1) * static_cast<std::size_t>(columns_), garbage_page);
    entries.insert(entries.end(), pages_[b].begin(), pages_[b].end());
    kv_indptr.push_back(static_cast<std::int64_t>(entries.size()));
  }
  entries.push_back(garbage_page);
  for (std::size_t t = 0; t < owner_.size(); ++t) {
    bool placed = owner_[t] >= 0 && position_[t] >= 0;
    std::int64_t page =
        placed ? pages_[static_cast<std::size_t>(owner_[t])][static_cast<std::size_t>(position_[t] / c_.page)] : 0;
    slots.push_back(placed ? page * c_.page + position_[t] % c_.page : std::min(owner_[t], position_[t]));
  }
  Tensor valid;
  if (c_.valid >= 0) valid = list("valid_tokens", Elem::i32, {c_.valid});
  auto by_position = [&](auto& a) {
    a.batch_indices = list("batch_indices", Elem::i32, owner_), a.positions = list("positions", Elem::i32, position_);
    a.kv_indptr = list("kv_indptr", Elem::i32, kv_indptr), a.kv_indices = list("kv_indices", Elem::i32, entries);
    a.valid_tokens = valid;
  };
  auto by_slot = [&](auto& a) { a.slots = list("slots", c_.table, slots), a.valid_tokens = valid; };
  auto batch = static_cast<std::int64_t>(c_.sequences.size());
  if (ragged()) {
    FillArgs a;
    rows_args(a);
    a.block_table = list("block_table", c_.table, table);
    a.block_table = Tensor(a.block_table.data, c_.table, {batch, columns_});
    a.kv_lengths = list("kv_lengths", c_.lengths, kv);
    if (c_.starts == append::Starts::indptr)
      a.q_indptr = list("q_indptr", c_.lengths, indptr);
    else
      a.q_lengths = list("q_lengths", c_.lengths, q);
    if (c_.starts == append::Starts::given) a.q_start_loc = list("q_start_loc", c_.lengths, starts_);
    a.valid_tokens = valid, a.settled = c_.seed % 3 == 0;
    args_ = a;
  } else if (c_.call == Call::append) {
    AppendArgs a;
    rows_args(a), by_position(a);
    args_ = a;
  } else if (c_.call == Call::reshape) {
    ReshapeAndCacheArgs a;
    rows_args(a), by_slot(a);
    args_ = a;
  } else if (c_.call == Call::indexer) {
    IndexerArgs a;
    a.k = in_tensor(side_k_, 2);
    Place whole = side_k_.codes;
    whole.row = whole.width;
    a.cache = cache_tensor(whole, Elem::u8, 3);
    a.scale_rule = c_.rule, a.power_of_two = c_.power_of_two;
    by_slot(a);
    args_ = a;
  } else if (c_.call == Call::concat || c_.call == Call::row656) {
    ConcatMlaArgs a;
    a.kv_c = in_tensor(side_k_, 2), a.k_pe = in_tensor(side_v_, 2);
    a.kv_cache = cache_tensor(side_k_.codes, c_.call == Call::row656 ? Elem::u8 : c_.stored, 3);
    if (c_.quant == Quant::fp8) a.scale = Tensor(side_k_.scale_buffer.data(), Elem::f32, {1});
    a.scale_rule = c_.rule, a.power_of_two = c_.power_of_two;
    by_slot(a);
    args_ = a;
  } else {
    AppendMlaArgs a;
    a.ckv = in_tensor(side_k_, 2), a.kpe = in_tensor(side_v_, 2);
    if (c_.call == Call::mla_joint) {
      a.joint_cache = cache_tensor(side_k_.codes, c_.stored, 3);
    } else {
      a.ckv_cache = cache_tensor(side_k_.codes, c_.stored, 3);
      a.kpe_cache = cache_tensor(side_v_.codes, c_.stored, 3);
    }
    by_position(a);
    args_ = a;
  }
}

}  // namespace pagejit::tests
