// Gathers the pages of every sequence into one contiguous array, and clears what follows.
//
//   out[start_b + t, h, :] = cast(cache[table[b, t div P], t mod P, h, :])   for t < length_b, P = page
//   out[r, h, :]           = 0                                               for end <= r < out_rows
//
// Program (i, j) copies the i-th `rows` output rows of the j-th `group` of heads, K and V.
// First one thread a row finds whose row it is and where it lies in the caches; then all threads move the block's
// share, every load before the first store. Rows of nobody load nothing, which gives zeros. Layouts are strides: the
// same code serves NHD and HND, shd and hsd.
#include "kernels/flatten/template.h"

#include "compiler/lowering.h"
#include "kernels/common/ragged.h"

namespace pagejit::flatten {
namespace {

/// One of the two tensors that a launch copies.
struct Side {
  int dim;
  Pointer cache, out;
  Value page_stride, row_stride, head_stride, out_row_stride, out_head_stride;
};

struct Shared {  // the parameters that both sides share
  Pointer table;
  Ragged ragged;
  Value table_row, out_rows, heads, zero_gaps, settled, rows, group, magic;
};

/// Where the block's output rows come from, a thread a row, in shared memory.
struct Places {
  Pointer page;   // i64: page id; negative: what becomes of a row that no sequence owns
  Pointer token;  // i32: row of the page
};
constexpr int clear_row = -1, leave_row = -2;

void find_places(Kernel& k, const Spec& s, const Shared& p, const Places& places, const Value& first_row) {
  RowOwner owner = find_owner(k, p.ragged, first_row, p.rows);
  Value in_range = (k.thread() < p.rows) & (first_row + k.thread() < p.out_rows);
  Value owned = in_range & (owner.sequence >= 0);
  Value token = maximum(owner.token, 0);
  Value entry = Value(wide(owner.sequence)) * p.table_row + Value(wide(token / s.page));
  Value page(wide(k.load(p.table + entry, owned, "page")));
  Value cleared = in_range & (owner.past_end | (p.zero_gaps != 0));
  if (s.tail == Tail::untouched) cleared = k.constant(Type::i1, 0);
  Value otherwise(select(cleared, k.constant(Type::i64, clear_row), k.constant(Type::i64, leave_row)));
  k.store(places.page + k.thread(), Value(select(owned, page, otherwise)));
  k.store(places.token + k.thread(), token % s.page);
}

/// Loaded, and not yet stored.
struct Moving {
  Pointer to;
  Tile data, mask;
};

/// Loads the block's items from `first` up, as many as it can have under way at once.
Moving load(Kernel& k, const Spec& s, const Side& side, const Shared& p, const Places& places, const Value& first_row,
            const Value& first) {
  int vector = vector_elements(s, side.dim);
  Tile element = k.arange(Layout::linear(s.threads * s.unroll * vector, vector, k.warps()));
  Tile item = element / side.dim + first, column = element % side.dim;
  Tile row = cast(wide(item) * p.magic >> 32, Type::i32);
  Tile head = item - row * p.group + k.program(1) * p.group;
  Tile live = (row < p.rows) & (head < p.heads) & (element < items(s) * side.dim);
  Tile page = k.load(places.page + row, live, "page");
  Tile token = k.load(places.token + row, live, "token");
  Tile owned = live & (page >= 0);
  Tile in = page * side.page_stride + wide(token) * side.row_stride + wide(head) * side.head_stride + wide(column);
  Tile out = wide(row + first_row) * side.out_row_stride + wide(head) * side.out_head_stride + wide(column);
  Tile data = k.load(side.cache + in, owned, "data", Cache::read_once);
  return {side.out + out, data, s.tail == Tail::zero ? live & (page >= clear_row) : owned};
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("flatten", s.threads);
  std::int64_t in_step = promised_bytes(s.align, s.kv) / bytes(s.kv),
               out_step = promised_bytes(s.align, s.to) / bytes(s.to);
  auto number = [&](auto member) { return p(member, {.at_least = 0}); };
  auto stride_in = [&](auto member) { return p(member, {.multiple_of = in_step, .at_least = 0}); };
  auto stride_out = [&](auto member) { return p(member, {.multiple_of = out_step, .at_least = 0}); };
  auto cache = [&](auto member) { return p.tensor(member, s.kv, promised_bytes(s.align, s.kv)); };
  auto output = [&](auto member) { return p.tensor(member, s.to, promised_bytes(s.align, s.to)); };

  Elem start_elem = s.starts == Starts::i64 ? Elem::i64 : Elem::i32;
  Pointer table = p.tensor(&Params::table, s.table);
  Ragged ragged{p.tensor(&Params::lengths, s.lengths), p.tensor(&Params::starts, start_elem),
                s.starts == Starts::computed, number(&Params::batch)};
  Shared shared{table,
                ragged,
                number(&Params::table_row),
                p(&Params::out_rows, {.at_least = 0, .at_most = max_rows}),
                number(&Params::heads),
                number(&Params::zero_gaps),
                number(&Params::settled),
                number(&Params::rows),
                number(&Params::group),
                number(&Params::magic)};
  std::vector<Side> sides{{s.dim_k, cache(&Params::k_cache), output(&Params::k_out), stride_in(&Params::k_page),
                           stride_in(&Params::k_row), stride_in(&Params::k_head), stride_out(&Params::k_out_row),
                           stride_out(&Params::k_out_head)}};
  if (!s.joint)
    sides.push_back({s.dim_v, cache(&Params::v_cache), output(&Params::v_out), stride_in(&Params::v_page),
                     stride_in(&Params::v_row), stride_in(&Params::v_head), stride_out(&Params::v_out_row),
                     stride_out(&Params::v_out_head)});

  Places places{k.shared("page_of_row", Elem::i64, s.threads), k.shared("token_of_row", Elem::i32, s.threads)};
  Value first_row = k.program(0) * shared.rows;
  k.when(shared.settled == 0, [&] { k.dependency_wait(); });
  k.when(k.thread() < (shared.rows + 31) / 32 * 32,
         [&] { find_places(k, s, shared, places, first_row); });  // whole warps
  k.dependents_launch();
  k.barrier();
  k.dependency_wait();  // the caches may be the previous kernel's work even where the look-up is not
  k.loop(k.constant(Type::i32, 0), shared.rows * shared.group, k.constant(Type::i32, items(s)), [&](Value first) {
    std::vector<Moving> moving;
    for (const Side& side : sides) moving.push_back(load(k, s, side, shared, places, first_row, first));
    for (const Moving& m : moving) k.store(m.to, cast(m.data, type_of(s.to)), m.mask, Cache::stream);
  });
  k.end();
}

}  // namespace pagejit::flatten
