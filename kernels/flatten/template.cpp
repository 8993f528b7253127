// Gathers the pages of every sequence into one contiguous array, and clears what follows.
//
//   out[start_b + j, h, :] = cast(decode(cache[table[b, t div P], t mod P, h, :]))   for j < length_b, P = page,
//                                                                                    t = offset_b + j
//   out[r, h, :]           = 0                                                       for end <= r < out_rows
//
// Program (i, j) copies the i-th `rows` output rows of the j-th `group` of heads, K and V.
// First one thread a row finds whose row it is and where it lies in the caches; then all threads move the block's
// share, every load before the first store. Rows of nobody load nothing, neither codes nor scales, which gives zeros.
// Layouts are strides: the same code serves NHD and HND, shd and hsd.
#include "kernels/flatten/template.h"

#include "compiler/lowering.h"
#include "kernels/common/decode.h"
#include "kernels/common/ragged.h"

namespace pagejit::flatten {
namespace {

/// One of the two tensors that a launch copies.
struct Side {
  SideSpec spec;
  Pointer cache, scales, out;
  Value page_stride, row_stride, head_stride;
  Value scales_page, scales_row, scales_head;
  Value out_row_stride, out_head_stride;
  Decoder decode;
};

struct Shared {  // the parameters that both sides share
  Pointer table, offsets;
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
  if (s.offsets) token = token + maximum(Value(k.load(p.offsets + owner.sequence, owned, "offset")), 0);
  Value entry = Value(wide(owner.sequence)) * p.table_row + Value(wide(token / s.page));
  Value page(wide(k.load(p.table + entry, owned, "page")));
  Value cleared = in_range & (owner.past_end | (p.zero_gaps != 0));
  if (s.tail == Tail::untouched) cleared = k.constant(Type::i1, 0);
  Value otherwise(select(cleared, k.constant(Type::i64, clear_row), k.constant(Type::i64, leave_row)));
  k.store(places.page + k.thread(), Value(select(owned, page, otherwise)));
  k.store(places.token + k.thread(), token % s.page);
}

/// Where each of a side's stored elements is and goes.
struct Items {
  Tile page, token, head, column;
  Tile owned;
};

/// What stands beside the codes, as f32: for each of them its scale, or its pair of numbers.
std::vector<Tile> load_metadata(Kernel& k, const Side& side, const Items& at, int vector) {
  Quant quant = side.spec.quant;
  if (quant == Quant::none) return {};
  Tile from = wide(at.head) * side.scales_head;
  if (quant != Quant::fp8) from = from + at.page * side.scales_page + wide(at.token) * side.scales_row;
  if (quant == Quant::fp8_group) from = from + wide(at.column / group_size);
  auto load = [&](const Tile& where) { return k.load(side.scales + where, at.owned, "scale"); };
  if (side.spec.pair() < 2) return {cast(load(from), Type::f32)};
  if (vector < 2) {
    Tile first = load(from), second = load(from + 1);
    return {cast(first, Type::f32), cast(second, Type::f32)};
  }
  // Neighbouring registers belong to one row: they ask in turn for the first number and for the second, which is one
  // load of both for all of them.
  Tile both = cast(load(from + wide(at.column % 2)), Type::f32);
  auto each_as = [&](int which) {
    std::vector<Reg> regs;
    for (int i = 0; i < both.registers(); ++i) regs.push_back(both.reg(i / 2 * 2 + which));
    return Tile(k, both.type(), both.layout(), std::move(regs));
  };
  return {each_as(0), each_as(1)};
}

/// Loaded, and neither decoded nor stored yet.
struct Moving {
  const Side* side;
  Tile codes;
  std::vector<Tile> metadata;
  Pointer to;
  Tile mask;
};

/// Loads the block's items from `first` up, as many as it can have under way at once.
Moving load(Kernel& k, const Spec& s, const Side& side, const Shared& p, const Places& places, const Value& first_row,
            const Value& first) {
  int vector = vector_elements(s.align, side.spec), width = side.spec.width();
  Tile element = k.arange(Layout::linear(s.threads * side_unroll(s, side.spec) * vector, vector, k.warps()));
  Tile item = element / width + first, column = element % width;
  Tile row = cast(wide(item) * p.magic >> 32, Type::i32);
  Tile head = item - row * p.group + k.program(1) * p.group;
  Tile live = (row < p.rows) & (head < p.heads) & (element < items(s) * width);
  Tile page = k.load(places.page + row, live, "page");
  Tile token = k.load(places.token + row, live, "token");
  Items at{page, token, head, column, live & (page >= 0)};
  Tile in = page * side.page_stride + wide(token) * side.row_stride + wide(head) * side.head_stride + wide(column);
  Tile out = wide(row + first_row) * side.out_row_stride + wide(head) * side.out_head_stride + wide(column);
  Tile codes = k.load(side.cache + in, at.owned, "codes", Cache::read_once);
  std::vector<Tile> metadata = load_metadata(k, side, at, vector);
  return {&side, codes, metadata, side.out + out, s.tail == Tail::zero ? live & (page >= clear_row) : at.owned};
}

void store(Kernel& k, const Moving& m) {
  std::vector<Tile> parts = m.side->decode(m.codes, m.metadata);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Pointer to = i == 0 ? m.to : m.to + k.constant(Type::i64, static_cast<std::int64_t>(i) * m.side->spec.width());
    k.store(to, cast(parts[i], type_of(to.elem())), m.mask, Cache::stream);
  }
}

/// The parameters of one side.
struct Members {
  DevicePtr Params::*cache, Params::*scales, Params::*out;
  std::int64_t Params::*page, Params::*row, Params::*head;
  std::int64_t Params::*scales_page, Params::*scales_row, Params::*scales_head;
  std::int64_t Params::*out_row, Params::*out_head;
};
constexpr Members of_k{&Params::k_cache,       &Params::k_scales,  &Params::k_out,         &Params::k_page,
                       &Params::k_row,         &Params::k_head,    &Params::k_scales_page, &Params::k_scales_row,
                       &Params::k_scales_head, &Params::k_out_row, &Params::k_out_head};
constexpr Members of_v{&Params::v_cache,       &Params::v_scales,  &Params::v_out,         &Params::v_page,
                       &Params::v_row,         &Params::v_head,    &Params::v_scales_page, &Params::v_scales_row,
                       &Params::v_scales_head, &Params::v_out_row, &Params::v_out_head};

Side make_side(Kernel& k, const Spec& s, const SideSpec& spec, const Kernel::Parameters<Params>& p, const Members& m) {
  Elem scale = model_metadata(spec.quant) ? s.meta : Elem::f32;
  int in_bytes = promised_bytes(s.align, spec, spec.stored), out_bytes = promised_bytes(s.align, spec, s.to),
      scale_bytes = promised_scale_bytes(s.align, spec, scale);
  auto stride = [&](auto member, int promised, Elem e) {
    return p(member, {.multiple_of = promised / bytes(e), .at_least = 0});
  };
  auto in_stride = [&](auto member) { return stride(member, in_bytes, spec.stored); };
  auto out_stride = [&](auto member) { return stride(member, out_bytes, s.to); };
  auto scale_stride = [&](auto member) { return stride(member, scale_bytes, scale); };
  Side side;
  side.spec = spec;
  side.cache = p.tensor(m.cache, spec.stored, in_bytes);
  side.out = p.tensor(m.out, s.to, out_bytes);
  side.page_stride = in_stride(m.page), side.row_stride = in_stride(m.row), side.head_stride = in_stride(m.head);
  side.out_row_stride = out_stride(m.out_row), side.out_head_stride = out_stride(m.out_head);
  if (spec.quant != Quant::none) {
    side.scales = p.tensor(m.scales, scale, scale_bytes);
    side.scales_page = scale_stride(m.scales_page), side.scales_row = scale_stride(m.scales_row);
    side.scales_head = scale_stride(m.scales_head);
  }
  side.decode = Decoder(k, spec.quant, spec.stored, spec.dim);
  return side;
}

Shared make_shared(const Spec& s, const Kernel::Parameters<Params>& p) {
  auto number = [&](auto member) { return p(member, {.at_least = 0}); };
  Elem start_elem = s.starts == Starts::i64 ? Elem::i64 : Elem::i32;
  Pointer table = p.tensor(&Params::table, s.table);
  Pointer offsets = s.offsets ? p.tensor(&Params::offsets, Elem::i32) : Pointer();
  Ragged ragged{p.tensor(&Params::lengths, s.lengths), p.tensor(&Params::starts, start_elem),
                s.starts == Starts::computed, number(&Params::batch), s.starts == Starts::indptr};
  return {table,
          offsets,
          ragged,
          number(&Params::table_row),
          p(&Params::out_rows, {.at_least = 0, .at_most = max_rows}),
          number(&Params::heads),
          number(&Params::zero_gaps),
          number(&Params::settled),
          number(&Params::rows),
          number(&Params::group),
          number(&Params::magic)};
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("flatten", s.threads);
  Shared shared = make_shared(s, p);
  std::vector<Side> sides{make_side(k, s, k_side(s), p, of_k)};
  if (!s.joint) sides.push_back(make_side(k, s, v_side(s), p, of_v));

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
    for (const Moving& m : moving) store(k, m);
  });
  k.end();
}

}  // namespace pagejit::flatten
