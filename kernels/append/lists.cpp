// Where tokens go: the lists of each form, checked.
#include <fmt/format.h>

#include "kernels/append/call.h"
#include "runtime/base/error.h"

namespace pagejit::append {
namespace {

constexpr unsigned i32 = elem_set(Elem::i32);
constexpr std::int64_t max_batch = (1ll << 31) - 65;
constexpr Expected slots_names{"slots", "[tokens]", 1, indices};
constexpr Expected batch_names{"batch_indices", "[tokens]", 1, i32};
constexpr Expected positions_names{"positions", "[tokens]", 1, i32};
constexpr Expected indptr_names{"kv_indptr", "[batch + 1]", 1, i32};
constexpr Expected indices_names{"kv_indices", "[entries]", 1, i32};
constexpr Expected table_names{"block_table", "[batch, columns]", 2, indices};
constexpr Expected kv_lengths_names{"kv_lengths", "[batch]", 1, indices};
constexpr Expected q_lengths_names{"q_lengths", "[batch]", 1, indices};
constexpr Expected q_start_names{"q_start_loc", "[batch]", 1, indices};
constexpr Expected q_indptr_names{"q_indptr", "[batch + 1]", 1, indices};
constexpr Expected valid_names{"valid_tokens", "[1]", 1, i32};

/// The list decides how many tokens there are; the inputs must have as many rows, or more.
void check_tokens(const Expected& what, const Tensor& list, const Expected& input, std::int64_t tokens) {
  check_range(what, list, "elements", list.shape[0], 0, max_tokens);
  if (list.shape[0] > tokens) [[unlikely]]
    bad_argument(what, list, fmt::format("has {} elements", list.shape[0]),
                 fmt::format("at most {}, the tokens of {}", tokens, input.name));
}

}  // namespace

void read_slots(const Tensor& slots, const Expected& input, std::int64_t tokens, Call& c) {
  check_tensor<1>(slots, slots_names);
  check_tokens(slots_names, slots, input, tokens);
  c.where = Where::slots;
  c.table = slots.data, c.table_elem = slots.elem;
  c.tokens = slots.shape[0];
}

void read_positions(const Tensor& batch, const Tensor& positions, const Tensor& indptr, const Tensor& entries,
                    const Expected& input, std::int64_t tokens, Call& c) {
  check_tensor<1>(batch, batch_names);
  check_tensor<1>(positions, positions_names);
  check_tensor<1>(indptr, indptr_names);
  check_tensor<1>(entries, indices_names);
  check_tokens(batch_names, batch, input, tokens);
  check_size(positions_names, "elements", positions.shape[0], batch_names, batch.shape[0]);
  check_range(indptr_names, indptr, "elements", indptr.shape[0], 1, max_batch);
  c.where = Where::batch_pos;
  c.table = entries.data, c.lengths = batch.data, c.kv_lengths = positions.data, c.starts = indptr.data;
  c.tokens = batch.shape[0], c.batch = indptr.shape[0] - 1;
}

void read_sequences(const FillArgs& a, Call& c) {
  check_tensor<2>(a.block_table, table_names);
  check_tensor<1>(a.kv_lengths, kv_lengths_names);
  check_range(kv_lengths_names, a.kv_lengths, "sequences", a.kv_lengths.shape[0], 0, max_batch);
  c.where = Where::ragged;
  c.batch = a.kv_lengths.shape[0];
  check_size(table_names, "rows", a.block_table.shape[0], kv_lengths_names, c.batch);
  if (!a.q_indptr.omitted()) {
    check_tensor<1>(a.q_indptr, q_indptr_names);
    check_elem(q_indptr_names, a.q_indptr, kv_lengths_names, a.kv_lengths.elem);
    check_range(q_indptr_names, a.q_indptr, "elements", a.q_indptr.shape[0], c.batch + 1, c.batch + 1);
    if (!a.q_lengths.omitted() || !a.q_start_loc.omitted()) [[unlikely]]
      bad_argument(q_indptr_names, a.q_indptr, "is given beside q_lengths or q_start_loc", "one or the other");
    c.starts_kind = Starts::indptr, c.starts = a.q_indptr.data;
  } else {
    check_tensor<1>(a.q_lengths, q_lengths_names);
    check_elem(q_lengths_names, a.q_lengths, kv_lengths_names, a.kv_lengths.elem);
    check_size(q_lengths_names, "elements", a.q_lengths.shape[0], kv_lengths_names, c.batch);
    c.starts_kind = Starts::computed;
    if (!a.q_start_loc.omitted()) {
      check_tensor<1>(a.q_start_loc, q_start_names);
      check_elem(q_start_names, a.q_start_loc, kv_lengths_names, a.kv_lengths.elem);
      check_size(q_start_names, "elements", a.q_start_loc.shape[0], kv_lengths_names, c.batch);
      c.starts_kind = Starts::given, c.starts = a.q_start_loc.data;
    }
    c.lengths = a.q_lengths.data;
  }
  c.table = a.block_table.data, c.table_elem = a.block_table.elem, c.table_row = a.block_table.step(0);
  c.kv_lengths = a.kv_lengths.data, c.lengths_elem = a.kv_lengths.elem;
  c.settled = a.settled;
}

void read_valid(const Tensor& valid, Call& c) {
  if (valid.omitted()) return;
  check_tensor<1>(valid, valid_names);
  check_range(valid_names, valid, "elements", valid.shape[0], 1, 1);
  c.valid = valid.data;
}

}  // namespace pagejit::append
