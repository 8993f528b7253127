// A call of any writer once its arguments have been read: what all of them come down to.
#pragma once
#include "kernels/append/host.h"
#include "kernels/common/check.h"

namespace pagejit::append {

constexpr unsigned model_floats = elem_set(Elem::f16, Elem::bf16, Elem::f32);
constexpr unsigned copied = model_floats | elem_set(Elem::e4m3, Elem::e5m2, Elem::u8);
constexpr unsigned indices = elem_set(Elem::i32, Elem::i64);
constexpr std::int64_t max_heads = 65535;

/// One tensor as it is walked: [tokens or pages, page, heads, …]; strides in elements.
struct Walk {
  void* data = nullptr;
  std::int64_t page = 0, row = 0, head = 0;  // inputs: row is a token's
};

/// K's side or V's; dim = 0: none.
struct SideCall {
  Quant quant = Quant::none;
  Elem stored = Elem::bf16;
  std::int64_t dim = 0;
  Walk in, cache, meta;
};

struct Call {
  SideCall k, v;
  Elem in = Elem::bf16, meta = Elem::f16;
  ScaleRule scale_rule = ScaleRule::blocked;
  bool power_of_two = false;
  std::int64_t page = 1, tokens = 0, heads = 0;

  Where where = Where::slots;
  Elem table_elem = Elem::i32, lengths_elem = Elem::i32;
  Starts starts_kind = Starts::given;
  void *table = nullptr, *lengths = nullptr, *kv_lengths = nullptr, *starts = nullptr, *valid = nullptr;
  std::int64_t table_row = 0, batch = 0;
  bool settled = false;
  Tuning tuning;
};

/// The Spec, the Params and the grid of a call whose arguments are right.
bool finish(const Call& call, int multiprocessors, Plan& out);

// The lists, checked; `tokens` is how many rows the inputs have, `input` their name.
void read_slots(const Tensor& slots, const Expected& input, std::int64_t tokens, Call& call);
void read_positions(const Tensor& batch, const Tensor& positions, const Tensor& indptr, const Tensor& indices,
                    const Expected& input, std::int64_t tokens, Call& call);
void read_sequences(const FillArgs& args, Call& call);
void read_valid(const Tensor& valid, Call& call);

// MLA's rows of 656 bytes.
bool has_rows_656(const Tensor& cache);
/// Sets both sides' quant, elements, dims and caches; `at` walks the cache in bytes. Throws where scales would not be
/// aligned.
void place_rows_656(const Expected& what, const Tensor& cache, const Walk& at, Call& call);
/// A call's rows, K 512 and V 64 wide, whose k_cache has such rows: both go there.
Call read_rows_656(const AppendRows& rows);

/// What a quantised cache of codes must be made of.
unsigned stored_elems(Quant q, Elem in);
/// Throws unless `t`'s element is one of them.
void check_stored(const Expected& what, const Tensor& t, Quant q, Elem in);

}  // namespace pagejit::append
