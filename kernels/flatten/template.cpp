// Gathers the pages of every sequence into one contiguous array, and clears what follows.
//
//   out[start_b + t, h, :] = cast(cache[table[b, t div P], t mod P, h, :])   for t < length_b, P = page
//   out[r, h, :]           = 0                                               for end <= r < out_rows
//
// A block takes k_rows output rows of k_group heads of K, or v_rows × v_group of V. First one thread a row finds whose row it
// is and where it lies in the cache; then all threads move the block's share, every load before the first store. Rows of
// nobody load nothing, which gives zeros. Layouts are strides: the same code serves NHD and HND, shd and hsd.
#include "kernels/flatten/template.h"

#include "compiler/lowering.h"
#include "kernels/common/ragged.h"

namespace pagejit::flatten {
namespace {

/// One of the two tensors that a launch copies.
struct Side {
  int dim;
  Pointer cache, out;
  Value head_stride, out_row_stride, out_head_stride, group, magic;
};

/// What places a block's rows: of K or of V, whichever the block copies.
struct Share {
  Value rows, first_block, page_stride, row_stride;
};

struct Look {  // the parameters that both sides share
  Pointer table, lengths, starts;
  Value table_row, out_rows, batch, heads, zero_gaps;
};

// What shared memory says of an output row instead of its place in the cache.
constexpr int clear_row = -1, leave_row = -2;

/// Where output row first_row + thread lies in the cache, in elements, or what becomes of it.
Value place(Kernel& k, const Spec& s, const Share& share, const Look& look, const Value& first_row) {
  RowOwner owner = find_owner(k, {look.lengths, look.starts, s.starts == Starts::computed, look.batch}, first_row, share.rows, s.threads);
  Value row = first_row + Value(wide(k.thread()));
  Value in_range = (k.thread() < share.rows) & (row < look.out_rows);
  Value owned = in_range & (owner.sequence >= 0);
  Value entry = Value(wide(owner.sequence)) * look.table_row + owner.token / s.page;
  Value page(wide(k.load(look.table + entry, owned, "page")));
  Value at = page * share.page_stride + owner.token % s.page * share.row_stride;
  Value cleared = in_range & (owner.past_end | (look.zero_gaps != 0));
  if (s.tail == Tail::untouched) cleared = k.constant(Type::i1, 0);
  Value otherwise(select(cleared, k.constant(Type::i64, clear_row), k.constant(Type::i64, leave_row)));
  return Value(select(owned, at, otherwise));
}

/// Moves the block's rows, whose places stand in shared memory.
void copy(Kernel& k, const Spec& s, const Side& side, const Look& look, const Pointer& places, const Value& rows, const Value& first_row) {
  int vector = vector_elements(s, side.dim);
  Tile element = k.arange(Layout::linear(s.threads * s.unroll * vector, vector, k.warps()));
  Tile item = element / side.dim, column = element % side.dim;
  Tile row = cast(wide(item) * side.magic >> 32, Type::i32);
  Tile head = item - row * side.group + k.program(1) * side.group;
  Tile live = (row < rows) & (head < look.heads);
  Tile at = k.load(places + row, live, "place");
  Tile owned = live & (at >= 0);
  Tile written = s.tail == Tail::zero ? live & (at >= clear_row) : owned;

  Tile in = multiple_of(at, vector) + wide(head) * side.head_stride + wide(column);
  Tile out = (wide(row) + first_row) * side.out_row_stride + wide(head) * side.out_head_stride + wide(column);
  Tile data = k.load(side.cache + in, owned, "data", Cache::read_once);
  k.store(side.out + out, cast(data, type_of(s.to)), written, Cache::stream);
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("flatten", s.threads);
  std::int64_t in_step = promised_bytes(s.align, s.kv) / bytes(s.kv), out_step = promised_bytes(s.align, s.to) / bytes(s.to);
  auto number = [&](auto member) { return p(member, {.at_least = 0}); };
  auto stride_in = [&](auto member) { return p(member, {.multiple_of = in_step, .at_least = 0}); };
  auto stride_out = [&](auto member) { return p(member, {.multiple_of = out_step, .at_least = 0}); };
  auto cache = [&](auto member) { return p.tensor(member, s.kv, promised_bytes(s.align, s.kv)); };
  auto output = [&](auto member) { return p.tensor(member, s.to, promised_bytes(s.align, s.to)); };

  Elem start_elem = s.starts == Starts::i64 ? Elem::i64 : Elem::i32;
  Look look{p.tensor(&Params::table, s.table), p.tensor(&Params::lengths, s.lengths), p.tensor(&Params::starts, start_elem),
            number(&Params::table_row), number(&Params::out_rows), number(&Params::batch), number(&Params::heads),
            number(&Params::zero_gaps)};
  Side key{s.dim_k, cache(&Params::k_cache), output(&Params::k_out), stride_in(&Params::k_head), stride_out(&Params::k_out_row),
           stride_out(&Params::k_out_head), number(&Params::k_group), number(&Params::k_magic)};
  Share share{number(&Params::k_rows), k.constant(Type::i32, 0), stride_in(&Params::k_page), stride_in(&Params::k_row)};
  Side value = key;
  Value is_key = k.constant(Type::i1, 1);
  if (!s.joint) {
    value = {s.dim_v, cache(&Params::v_cache), output(&Params::v_out), stride_in(&Params::v_head), stride_out(&Params::v_out_row),
             stride_out(&Params::v_out_head), number(&Params::v_group), number(&Params::v_magic)};
    Share other{number(&Params::v_rows), number(&Params::k_blocks), stride_in(&Params::v_page), stride_in(&Params::v_row)};
    is_key = k.program(0) < other.first_block;
    auto either = [&](const Value& a, const Value& b) { return Value(select(is_key, a, b)); };
    share = {either(share.rows, other.rows), either(share.first_block, other.first_block),
             either(share.page_stride, other.page_stride), either(share.row_stride, other.row_stride)};
  }

  k.dependency_wait();
  k.dependents_launch();
  Value first_row = Value(wide(k.program(0) - share.first_block)) * Value(wide(share.rows));
  Pointer places = k.shared("places", Elem::i64, s.threads);
  Value where = place(k, s, share, look, first_row);
  k.store(places + k.thread(), where);
  k.barrier();
  auto move = [&](const Side& side) { copy(k, s, side, look, places, share.rows, first_row); };
  if (s.joint) move(key);
  else k.when(is_key, [&] { move(key); }, [&] { move(value); });
  k.end();
}

}  // namespace pagejit::flatten
