// Writes the rows of new tokens into a paged cache, quantised on the way.
//
//   cache[page_t, row_t, h, :] = encode(in[t, h, :])     for each token t that has a place, K and V
//
// Program (i, j) writes the i-th `rows` tokens of the j-th `group` of heads: its items, one (token, head) each. All
// threads load their share of K and V, and only then look up where it goes, so that the two ways to memory overlap;
// rows of tokens without a place are loaded for nothing. Of ragged sequences whose a token is takes a search, which one
// thread a token does for the block, while the first rows are under way, or before that where the lists are settled.
// Layouts are strides: the same code serves NHD, HND, and MLA's joint
// rows.
#include "kernels/append/template.h"

#include <optional>

#include "compiler/lowering.h"
#include "compiler/numbers.h"
#include "kernels/append/template_rows.h"
#include "kernels/common/destination.h"
#include "kernels/common/encode.h"

namespace pagejit::append {
namespace {

/// K or V.
struct Side {
  Quant quant;
  Elem stored;
  int dim, step;  // strides of the cache are multiples of `step` elements
  Pointer in, cache, meta;
  Value in_token, in_head, page, row, head, meta_page, meta_row, meta_head;
};

struct Shared {  // the parameters that both sides share
  Destinations lists;
  Value tokens, heads, settled, rows, group, magic;
};

/// Where a row of a side goes, in elements from the start of the cache and of its metadata. What depends on the token
/// alone is multiplied out here, once.
struct Spot {
  Tile exists, row, meta;  // i1, i64; what does not exist is written nowhere
};

/// The spots of the block's tokens, a thread a token, in shared memory: one pair a side.
struct Places {
  Pointer row, meta;  // i64; row −1: nowhere
};

/// One item for each element of a tile.
struct Items {
  Tile row, token, head, live;  // the token in the block, and among all
};

class Writer {
 public:
  Writer(Kernel& k, const Spec& s, const Shared& p) : k_(k), s_(s), p_(p), first_token_(k.program(0) * p.rows) {}

  const Value& first_token() const { return first_token_; }

  /// A side's share of the items from `first` up: loaded, and not yet encoded.
  struct Loaded {
    const Side* side;
    Items items;
    std::optional<Rows> rows;
    Tile element, exists, data;  // exists: the element is one of its row, whatever the item is
    Tile scale;                  // of fp8 by the tensor or the head
  };

  Loaded load(const Side& side, const Value& first) const {
    Loaded l{&side, {}, {}, {}, {}, {}, {}};
    if (by_row(side.quant)) {
      l.rows.emplace(s_.threads, s_.items, side.quant, side.dim);
      l.element = l.rows->elements(k_), l.exists = l.rows->exist(k_);
      l.items = items_of(l.rows->items(k_) + first);
    } else {
      int vec = vector_elements(s_, side.stored, side.dim);
      Tile all = k_.arange(Layout::linear(linear_elements(side, vec), vec, k_.warps()));
      l.element = all % side.dim, l.exists = all < s_.items * side.dim;
      l.items = items_of(all / side.dim + first);
    }
    Tile from = wide(l.items.token) * side.in_token + wide(l.items.head) * side.in_head + wide(l.element);
    l.data = k_.load(side.in + from, l.exists ? l.items.live & l.exists : l.items.live, "data");
    l.data = as_bits(l.data);
    if (side.quant == Quant::fp8)
      l.scale = k_.load(side.meta + wide(l.items.head) * side.meta_head, l.items.live, "scale");
    return l;
  }

  /// Two sides whose items lie alike in the threads: what was found for one serves the other.
  static bool alike(const Loaded& a, const Loaded& b) {
    return a.rows.has_value() == b.rows.has_value() && *a.items.row.layout() == *b.items.row.layout() &&
           (a.rows || a.side->dim == b.side->dim);
  }

  Destination find(const Loaded& l) const { return find_destination(k_, p_.lists, l.items.token, l.items.live); }
  Spot spot(const Side& side, const Destination& to) const {
    Tile exists = to.page >= 0, row = to.page * side.page + wide(to.row) * side.row;
    if (!by_row(side.quant)) return {exists, row, {}};
    return {exists, row, to.page * side.meta_page + wide(to.row) * side.meta_row};
  }
  Spot spot(const Loaded& l, const Places& places) const {
    Tile row = k_.load(places.row + l.items.row, l.items.live, "spot"), exists = l.items.live & (row >= 0);
    row = multiple_of(row, l.side->step);
    if (!by_row(l.side->quant)) return {exists, row, {}};
    Tile meta = k_.load(places.meta + l.items.row, l.items.live, "meta_spot");
    return {exists, row, meta};
  }

  /// What is stored: codes and what stands beside them, or elements.
  Encoded encode(const Loaded& l) const {
    const Side& side = *l.side;
    Tile data = bitcast(l.data, type_of(s_.in));
    if (l.rows)
      return encode_rows(k_, {side.quant, s_.in, side.stored, s_.meta, side.dim, s_.scale_rule, s_.power_of_two}, data,
                         l.exists);
    if (side.quant == Quant::fp8)
      return {to_fp8(code_quotient_of_any(cast(data, Type::f32), l.scale), side.stored), {}};
    return {side.stored == s_.in ? data : cast(data, type_of(side.stored)), {}};
  }

  void store(const Loaded& l, const Encoded& e, const Spot& to) const {
    if (l.rows)
      store_rows(l, e, to);
    else
      k_.store(l.side->cache + (to.row + wide(l.items.head) * l.side->head + wide(l.element)), e.codes,
               to.exists & l.exists);
  }

 private:
  /// While the look-up branches: hosts without 16-bit floats would carry those as others, and spoil a NaN.
  static Tile as_bits(const Tile& t) { return bits(t.type()) == 16 ? bitcast(t, Type::i16) : t; }

  Items items_of(const Tile& item) const {
    Tile row = cast(wide(item) * p_.magic >> 32, Type::i32);
    Tile token = row + first_token_, head = item - row * p_.group + k_.program(1) * p_.group;
    return {row, token, head, (row < p_.rows) & (token < p_.tokens) & (head < p_.heads)};
  }

  int linear_elements(const Side& side, int vec) const {
    return std::max(static_cast<int>(std::bit_ceil(static_cast<unsigned>(s_.items * side.dim))), s_.threads * vec);
  }

  void store_rows(const Loaded& l, const Encoded& e, const Spot& to) const {
    const Side& side = *l.side;
    Narrowed codes = l.rows->of_codes();
    Tile live = codes(to.exists);
    Tile at = codes(to.row) + wide(codes(l.items.head)) * side.head + wide(l.rows->code_columns(k_));
    for (const Tile& also : {l.rows->codes_exist(k_), l.rows->stores(k_)})
      if (also) live = live & also;
    k_.store(side.cache + at, codes(e.codes), live);
    store_metadata(l, to, e.metadata);
  }

  void store_metadata(const Loaded& l, const Spot& to, std::vector<Tile> metadata) const {
    const Side& side = *l.side;
    Narrowed alone = l.rows->of_metadata();
    Tile live = alone(to.exists) & l.rows->holds_metadata(k_, static_cast<int>(metadata.size()));
    Tile column = wide(l.rows->metadata_columns(k_));
    if (Value second = l.rows->holds_second(k_); second && metadata.size() == 2) {  // two lanes, a number each
      metadata = {select(second, metadata[1], metadata[0])};
      column = column + wide(cast(second, Type::i32));
    }
    Tile at = alone(to.meta) + wide(alone(l.items.head)) * side.meta_head + column;
    Type type = type_of(side.meta.elem());
    for (std::size_t i = 0; i < metadata.size(); ++i)
      k_.store(side.meta + (at + static_cast<int>(i)), cast(alone(metadata[i]), type), live);
  }

  Kernel& k_;
  const Spec& s_;
  const Shared& p_;
  Value first_token_;
};

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("append", s.threads);
  auto number = [&](auto member) { return p(member, {.at_least = 0}); };
  auto stride = [&](auto member, int promised) { return p(member, {.multiple_of = promised, .at_least = 0}); };
  auto meta_of = [&](Quant q) { return model_metadata(q) ? s.meta : Elem::f32; };
  int in = promised_bytes(s.align, s.in), in_step = in / bytes(s.in);
  int k_cache = promised_of_cache(s, s.quant_k, s.k), k_step = k_cache / bytes(s.k);
  std::vector<Side> sides{{s.quant_k, s.k, s.dim_k, k_step, p.tensor(&Params::k_in, s.in, in),
                           p.tensor(&Params::k_cache, s.k, k_cache), p.tensor(&Params::k_meta, meta_of(s.quant_k)),
                           stride(&Params::k_in_token, in_step), stride(&Params::k_in_head, in_step),
                           stride(&Params::k_page, k_step), stride(&Params::k_row, k_step),
                           stride(&Params::k_head, k_step), number(&Params::k_meta_page), number(&Params::k_meta_row),
                           number(&Params::k_meta_head)}};
  int v_cache = promised_of_cache(s, s.quant_v, s.v), v_step = v_cache / bytes(s.v);
  if (s.dim_v > 0)
    sides.push_back({s.quant_v, s.v, s.dim_v, v_step, p.tensor(&Params::v_in, s.in, in),
                     p.tensor(&Params::v_cache, s.v, v_cache), p.tensor(&Params::v_meta, meta_of(s.quant_v)),
                     stride(&Params::v_in_token, in_step), stride(&Params::v_in_head, in_step),
                     stride(&Params::v_page, v_step), stride(&Params::v_row, v_step), stride(&Params::v_head, v_step),
                     number(&Params::v_meta_page), number(&Params::v_meta_row), number(&Params::v_meta_head)});

  bool ragged = s.where == Where::ragged;
  Pointer table = p.tensor(&Params::table, s.table), lengths = p.tensor(&Params::lengths, s.lengths),
          kv_lengths = p.tensor(&Params::kv_lengths, s.lengths), starts = p.tensor(&Params::starts, s.lengths);
  Destinations lists{
      s.where,
      s.page,
      p.tensor(&Params::valid, Elem::i32),
      {lengths, starts, s.starts == Starts::computed, number(&Params::batch), s.starts == Starts::indptr},
      kv_lengths,
      table,
      number(&Params::table_row),
      table,
      lengths,
      kv_lengths,
      starts,
      table};
  Shared shared{lists,
                p(&Params::tokens, {.at_least = 0, .at_most = max_tokens}),
                number(&Params::heads),
                number(&Params::settled),
                number(&Params::rows),
                number(&Params::group),
                number(&Params::magic)};

  std::vector<Places> places;
  if (ragged)
    for (const Side& side : sides)
      places.push_back({k.shared("rows_of_tokens", Elem::i64, s.threads),
                        by_row(side.quant) ? k.shared("metadata_of_tokens", Elem::i64, s.threads) : Pointer()});
  Writer writer(k, s, shared);
  auto look_up = [&] {
    k.when(k.thread() < (shared.rows + 31) / 32 * 32, [&] {  // whole warps
      Value tokens = minimum(shared.rows, shared.tokens - writer.first_token());
      Destination to = find_destinations(k, shared.lists, writer.first_token(), tokens);
      for (std::size_t i = 0; i < sides.size(); ++i) {
        Spot spot = writer.spot(sides[i], to);
        k.store(places[i].row + k.thread(), select(spot.exists, spot.row, k.constant(Type::i64, -1)));
        if (spot.meta) k.store(places[i].meta + k.thread(), spot.meta);
      }
    });
  };
  if (ragged) k.when(shared.settled != 0, look_up);
  k.dependency_wait();
  k.dependents_launch();  // not before: the next kernel may be settled, on what the one before us still writes
  k.loop(k.constant(Type::i32, 0), shared.rows * shared.group, k.constant(Type::i32, s.items), [&](Value first) {
    std::vector<Writer::Loaded> loaded;
    for (const Side& side : sides) loaded.push_back(writer.load(side, first));
    if (ragged)
      k.when(first == 0, [&] {  // while the first rows are on their way
        k.when(shared.settled == 0, look_up);
        k.barrier();
      });
    std::vector<Spot> to;
    std::optional<Destination> found;
    for (std::size_t i = 0; i < loaded.size(); ++i) {
      if (!ragged && !(found && Writer::alike(loaded[i], loaded[0]))) found = writer.find(loaded[i]);
      to.push_back(ragged ? writer.spot(loaded[i], places[i]) : writer.spot(sides[i], *found));
    }
    // Copies first: their registers are free again before a quantiser needs its own.
    for (bool rows : {false, true})
      for (std::size_t i = 0; i < loaded.size(); ++i)
        if (loaded[i].rows.has_value() == rows) writer.store(loaded[i], writer.encode(loaded[i]), to[i]);
  });
  k.end();
}

}  // namespace pagejit::append
