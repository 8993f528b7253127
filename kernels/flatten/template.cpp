// Gathers the pages of every sequence into one contiguous array, and clears what follows.
//
//   out[start_b + j, h, :] = cast(decode(cache[table[b, t div P], t mod P, h, :]))   for j < length_b, P = page,
//                                                                                    t = offset_b + j
//   out[r, h, :]           = 0                                                       for end <= r < out_rows
//
// Program (i, j, 0) copies the i-th `rows` output rows of the j-th `group` of heads, K and V; or K only, and program
// (i, j, 1) V (see apart()).
// First one thread a row finds whose row it is and where it lies in the caches; then all threads move the block's
// share, every load before the first store. Rows of nobody load nothing, neither codes nor scales, which gives zeros.
// Layouts are strides: the same code serves NHD and HND, shd and hsd.
#include "kernels/flatten/template.h"

#include <span>

#include "compiler/lowering.h"
#include "kernels/common/decode.h"
#include "kernels/common/ragged.h"

namespace pagejit::flatten {
namespace {

/// Where a side's rows of the block come from, a thread a row, in shared memory. In elements from the tensor's base to
/// the row's head 0: what depends on the row alone is multiplied once a row, not once an access.
struct Places {
  Pointer codes;   // i64; negative: what becomes of a row that no sequence owns
  Pointer scales;  // i64; where scales belong to rows
};
/// One of the two tensors that a launch copies.
struct Side {
  SideSpec spec;
  Pointer cache, scales, out;
  Value page_stride, row_stride, head_stride;
  Value scales_page, scales_row, scales_head;
  Value out_row_stride, out_head_stride;
  int step, scales_step;  // what offsets of the cache and of the scales are multiples of
  Decoder decode;
  Places places;
};

struct Shared {  // the parameters that both sides share
  Pointer table, offsets;
  Ragged ragged;
  Value table_row, out_rows, heads, zero_gaps, settled, rows, group, inner, rows_inner, magic;
};

constexpr int clear_row = -1, leave_row = -2;

Places make_places(Kernel& k, const Spec& s, const SideSpec& side, const std::string& name) {
  Places places{k.shared(name + "_row", Elem::i64, s.threads), {}};
  if (scales_by_row(side.quant)) places.scales = k.shared(name + "_scales_row", Elem::i64, s.threads);
  return places;
}

void find_places(Kernel& k, const Spec& s, const Shared& p, const std::vector<Side>& sides, const Value& first_row) {
  RowOwner owner = find_owner(k, p.ragged, first_row, p.rows);
  Value in_range = (k.thread() < p.rows) & (first_row + k.thread() < p.out_rows);
  Value owned = in_range & (owner.sequence >= 0);
  Value token = maximum(owner.token, 0);
  if (s.offsets) token = token + maximum(Value(k.load(p.offsets + owner.sequence, owned, "offset")), 0);
  Value entry = Value(wide(owner.sequence)) * p.table_row + Value(wide(token / s.page));
  Value page(wide(k.load(p.table + entry, owned, "page"))), row(wide(token % s.page));
  Value cleared = in_range & (owner.past_end | (p.zero_gaps != 0));
  if (s.tail == Tail::untouched) cleared = k.constant(Type::i1, 0);
  Value otherwise(select(cleared, k.constant(Type::i64, clear_row), k.constant(Type::i64, leave_row)));
  for (const Side& side : sides) {
    Value at = page * side.page_stride + row * side.row_stride;
    k.store(side.places.codes + k.thread(), Value(select(owned, at, otherwise)));
    if (scales_by_row(side.spec.quant))
      k.store(side.places.scales + k.thread(), page * side.scales_page + row * side.scales_row);
  }
}

/// Where each of a side's stored elements is and goes.
struct Items {
  Tile row, head, column;  // the row among the block's
  Tile live, owned;
};

/// Neighbouring items are heads of one row, or rows of one head: whichever lies together in the output.
Items items_from(Kernel& k, const Spec& s, const SideSpec& side, const Shared& p, const Tile& element,
                 const Value& first) {
  Tile item = element / side.width() + first;
  Tile outer = cast(wide(item) * p.magic >> 32, Type::i32), inner = item - outer * p.inner;
  Value by_rows = p.rows_inner != 0;
  Tile row = select(by_rows, inner, outer), local_head = select(by_rows, outer, inner);
  Tile head = local_head + k.program(1) * p.group;
  Tile live =
      (row < p.rows) & (local_head < p.group) & (head < p.heads) & (element < turn_items(s, side) * side.width());
  return {row, head, element % side.width(), live, {}};
}

/// What stands beside the codes, as f32: for each of them its scale, or its pair of numbers.
std::vector<Tile> load_metadata(Kernel& k, const Side& side, const Items& at, int vector) {
  Quant quant = side.spec.quant;
  if (quant == Quant::none) return {};
  Tile from = wide(at.head) * side.scales_head;
  if (scales_by_row(quant)) {
    Tile row = k.load(side.places.scales + at.row, at.owned, "scales_row");
    from = from + multiple_of(row, side.scales_step);
  }
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
Moving load(Kernel& k, const Spec& s, const Side& side, const Shared& p, const Value& first_row, const Value& first) {
  int vector = vector_elements(s.align, side.spec);
  Tile element = k.arange(Layout::linear(s.threads * side_unroll(s, side.spec) * vector, vector, k.warps()));
  Items at = items_from(k, s, side.spec, p, element, first);
  Tile from = k.load(side.places.codes + at.row, at.live, "row");
  at.owned = at.live & (from >= 0);
  Tile in = multiple_of(from, side.step) + wide(at.head) * side.head_stride + wide(at.column);
  Tile out = wide(at.row + first_row) * side.out_row_stride + wide(at.head) * side.out_head_stride + wide(at.column);
  Tile codes = k.load(side.cache + in, at.owned, "codes");
  std::vector<Tile> metadata = load_metadata(k, side, at, vector);
  return {&side, codes, metadata, side.out + out, s.tail == Tail::zero ? at.live & (from >= clear_row) : at.owned};
}

void store(Kernel& k, const Moving& m) {
  std::vector<Tile> parts = m.side->decode(m.codes, m.metadata);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Pointer to = i == 0 ? m.to : m.to + k.constant(Type::i64, static_cast<std::int64_t>(i) * m.side->spec.width());
    k.store(to, cast(parts[i], type_of(to.elem())), m.mask);
  }
}

/// Moves the block's items of these sides, turn by turn.
void copy(Kernel& k, const Spec& s, std::span<const Side> sides, const Shared& p, const Value& first_row) {
  Value turn = k.constant(Type::i32, turn_items(s, sides[0].spec));
  k.loop(k.constant(Type::i32, 0), p.rows * p.group, turn, [&](Value first) {
    std::vector<Moving> moving;
    for (const Side& side : sides) moving.push_back(load(k, s, side, p, first_row, first));
    for (const Moving& m : moving) store(k, m);
  });
}

/// The parameters of one side.
struct Members {
  const char* name;
  DevicePtr Params::*cache, Params::*scales, Params::*out;
  std::int64_t Params::*page, Params::*row, Params::*head;
  std::int64_t Params::*scales_page, Params::*scales_row, Params::*scales_head;
  std::int64_t Params::*out_row, Params::*out_head;
};
constexpr Members of_k{"k",
                       &Params::k_cache,
                       &Params::k_scales,
                       &Params::k_out,
                       &Params::k_page,
                       &Params::k_row,
                       &Params::k_head,
                       &Params::k_scales_page,
                       &Params::k_scales_row,
                       &Params::k_scales_head,
                       &Params::k_out_row,
                       &Params::k_out_head};
constexpr Members of_v{"v",
                       &Params::v_cache,
                       &Params::v_scales,
                       &Params::v_out,
                       &Params::v_page,
                       &Params::v_row,
                       &Params::v_head,
                       &Params::v_scales_page,
                       &Params::v_scales_row,
                       &Params::v_scales_head,
                       &Params::v_out_row,
                       &Params::v_out_head};

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
  side.step = in_bytes / bytes(spec.stored), side.scales_step = scale_bytes / bytes(scale);
  side.decode = Decoder(k, spec.quant, spec.stored, spec.dim);
  side.places = make_places(k, s, spec, m.name);
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
          number(&Params::inner),
          number(&Params::rows_inner),
          number(&Params::magic)};
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("flatten", s.threads);
  Shared shared = make_shared(s, p);
  std::vector<Side> sides{make_side(k, s, k_side(s), p, of_k)};
  if (!s.joint) sides.push_back(make_side(k, s, v_side(s), p, of_v));
  Value first_row = k.program(0) * shared.rows;
  k.when(shared.settled == 0, [&] { k.dependency_wait(); });
  k.when(k.thread() < (shared.rows + 31) / 32 * 32,
         [&] { find_places(k, s, shared, sides, first_row); });  // whole warps
  k.barrier();
  k.dependency_wait();  // the caches may be the previous kernel's work even where the look-up is not
  // Not before: the next kernel may be settled too, and read what the one before us is still writing.
  k.dependents_launch();
  if (apart(s))
    k.when(
        k.program(2) == 0,
        [&] {
          copy(k, s, {&sides[0], 1}, shared, first_row);
        },
        [&] {
          copy(k, s, {&sides[1], 1}, shared, first_row);
        });
  else
    copy(k, s, sides, shared, first_row);
  k.end();
}

}  // namespace pagejit::flatten
