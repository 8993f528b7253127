// Attention of a few queries a sequence over a paged cache.
//
//   score(r, n) = q_r · k_n · scale           for the keys n that row r sees, −∞ for all others
//   out_r       = Σ_n 2^(score − m_r) v_n / Σ_n 2^(score − m_r)        m_r = max_n score(r, n)
//
// A team takes the rows of one KV head's group (and of a few queries) against one part of the batch's keys
// (kernels/common/split_plan.h): row after row of pages comes into shared memory while the rows before are multiplied,
// sequence after sequence. A sequence that the part holds whole is written to the output, one that it shares goes to
// `partial`, for combine. Teams of a block are neighbouring heads: their rows are neighbours in memory too.
#include "kernels/attend/template.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "compiler/convert.h"
#include "compiler/reduce.h"
#include "kernels/attend/template_bulk.h"
#include "kernels/attend/template_softmax.h"
#include "kernels/common/split_plan.h"

namespace pagejit::attend {
namespace {

constexpr double ln2 = 0.6931471805599453;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// A part of so many tiles or fewer has one under way beside the one in use, not all that there are stages for: where
/// all teams ask at once for much of what they need, memory delivers the whole later (docs/measured.md).
constexpr int few_tiles = 16;

using Parameters = Kernel::Parameters<Params>;

/// The team's place: which part of the keys, which KV head, which rows of its group.
struct Place {
  Value slices, slice, part, head, row_tile;
};

Place place_of(Kernel& k, const Spec& s, const Parameters& p) {
  Place at;
  Value heads = p(&Params::kv_heads, {.at_least = 1});
  at.slices = heads * p(&Params::row_tiles, {.at_least = 1});
  Value team = k.program(0) * s.teams + k.team();
  at.slice = team % at.slices;
  at.part = team / at.slices;
  at.head = at.slice % heads;
  at.row_tile = at.slice / heads;
  return at;
}

SplitBatch batch_of(const Spec& s, const Parameters& p) {
  SplitBatch b;
  b.lengths = p.tensor(&Params::lengths, s.lengths);
  b.ragged = s.ragged;
  if (s.ragged) b.indptr = p.tensor(&Params::indptr, Elem::i32);
  b.batch = p(&Params::batch, {.at_least = 0});
  b.queries = p(&Params::queries, {.at_least = 0});
  b.window = s.window;
  if (s.window) b.left = p(&Params::left, {.at_least = 0});
  b.keys = s.keys;
  b.parts = p(&Params::parts, {.at_least = 1});
  b.least = p(&Params::least, {.at_least = 1});
  return b;
}

CacheRows::Source source_of(const Parameters& p, Elem elem, int aligned, DevicePtr Params::*at,
                            std::array<std::int64_t Params::*, 3> strides, const Value& head) {
  Promise multiple{.multiple_of = aligned / bytes(elem)};
  Value of_head = Value(wide(head)) * p(strides[2], multiple);
  return {p.tensor(at, elem, aligned) + of_head, p(strides[0], multiple), p(strides[1], multiple), aligned, {}, head};
}

/// Pieces of K's stored row, V's first where V is a part of it.
std::vector<Piece> key_pieces(const Spec& s) {
  if (!s.joint) return code_pieces(s, s.dim_k);
  std::vector<Piece> all = pieces(0, s.dim_v);
  for (const Piece& p : pieces(s.dim_v, s.dim_k - s.dim_v)) all.push_back(p);
  return all;
}

/// A value of each row, for stretches of the output whose rows mostly lie alike.
struct OfRows {
  Kernel& k;
  Tile all, last;

  const Tile& as(const Layout& rows) {
    if (!last || *last.layout() != rows) last = convert(k, all, rows);
    return last;
  }
};

class Program {
 public:
  Program(Kernel& k, const Spec& s, const Parameters& p)
      : k_(k),
        s_(s),
        p_(p),
        place_(place_of(k, s, p)),
        table_(p.tensor(&Params::table, s.table)),
        softmax_(k, s, p, make_caches()) {
    std::vector<const CacheRows*> all;
    for (const auto& r : rows_) all.push_back(r.get());
    if (s.bulk) bulk_.emplace(k, s, all, softmax_.groups());
    async_ = std::any_of(all.begin(), all.end(), [](const CacheRows* r) { return !r->bulk(); });
    most_ahead_ = softmax_.groups() ? softmax_.groups()->ahead() : s.stages - 1;
    ahead_varies_ = s.bulk && !async_ && !softmax_.groups() && s.across == 1 && most_ahead_ > 1;
  }

  void run() {
    SplitPlan plan(k_, batch_of(s_, p_));
    Value from = plan.first(place_.part), to = plan.first(place_.part + 1);
    SplitPlan::Found found = plan.find(from, to);
    k_.when(p_(&Params::settled) != 0, [&] { fetch_table(plan, found, from); });
    k_.dependency_wait();
    k_.dependents_launch();  // not before the wait: see kernels/README.md
    Value ahead = ahead_of(to - from);
    k_.loop(found.first, found.last + 1, one(), {found.start, zero()}, [&](Value b, std::vector<Tile>& now) {
      SplitSequence sequence = plan.sequence(maximum(b, 0));
      Value start = maximum(Value(now[0]), 0);
      Segment seg{maximum(from - start, 0), minimum(to - start, sequence.tiles)};
      QueryRows rows{place_.row_tile * s_.rows, sequence.queries * s_.group, sequence.first_query,
                     place_.head * s_.group};
      now[1] = k_.when((seg.first < seg.last) & (rows.first < rows.count), {now[1]}, [&](std::vector<Tile>& phases) {
        phases[0] = work(maximum(b, 0), sequence, rows, seg, ahead, Value(phases[0]));
      })[0];
      now[0] = start + sequence.tiles;
    });
  }

 private:
  /// Tiles of a sequence, counted from its first one.
  struct Segment {
    Value first, last;
  };

  /// The first page id that is looked up, while the kernel before still finishes.
  void fetch_table(const SplitPlan& plan, const SplitPlan::Found& found, const Value& from) {
    Value b = maximum(found.first, 0);
    SplitSequence sequence = plan.sequence(b);
    Value key = (sequence.first_tile + maximum(from - maximum(found.start, 0), 0)) * s_.keys;
    k_.when((found.first <= found.last) & (key < sequence.length),
            [&] { k_.prefetch(table_ + (Value(wide(b)) * table_row() + Value(wide(key / s_.page)))); });
  }
  Value table_row() const { return p_(&Params::table_row, {.at_least = 0}); }

  Value one() const { return k_.constant(Type::i32, 1); }
  Value zero() const { return k_.constant(Type::i32, 0); }

  /// All that is copied for each tile of keys: K, V, and what stands beside them.
  Caches make_caches() {
    using Strides = std::array<std::int64_t Params::*, 3>;
    auto add = [&](const char* name, Elem e, int aligned, DevicePtr Params::*at, const Strides& strides,
                   const std::vector<Piece>& pieces, int width, bool bulk) {
      CacheRows::Source source = source_of(p_, e, aligned, at, strides, place_.head);
      if (bulk) source.map = p_.map(at == &Params::k_cache ? &Params::k_map : &Params::v_map);
      rows_.push_back(std::make_unique<CacheRows>(k_, s_, name, source, pieces, width, bulk));
      return rows_.back().get();
    };
    Strides k_steps{&Params::k_page, &Params::k_row, &Params::k_head};
    Strides v_steps{&Params::v_page, &Params::v_row, &Params::v_head};
    const CacheRows* keys = add("keys", s_.k, promised_bytes(s_.align, s_.k), &Params::k_cache, k_steps, key_pieces(s_),
                                codes(s_.quant, s_.dim_k), s_.bulk);
    const CacheRows* values = keys;
    if (!s_.joint)
      values = add("values", s_.v, promised_bytes(s_.align, s_.v), &Params::v_cache, v_steps, code_pieces(s_, s_.dim_v),
                   codes(s_.quant, s_.dim_v), s_.bulk);
    Caches all{*keys, *values, nullptr, nullptr, {}, {}};
    if (model_metadata(s_.quant)) {
      int aligned = std::min(promised_bytes(s_.align, s_.meta), 2 * bytes(s_.meta));
      all.key_pairs = add("key scales", s_.meta, aligned, &Params::k_scales,
                          {&Params::k_scales_page, &Params::k_scales_row, &Params::k_scales_head}, {{0, 2}}, 2, false);
      all.value_pairs =
          s_.joint ? all.key_pairs
                   : add("value scales", s_.meta, aligned, &Params::v_scales,
                         {&Params::v_scales_page, &Params::v_scales_row, &Params::v_scales_head}, {{0, 2}}, 2, false);
    }
    if (s_.quant == Quant::fp8) {
      auto scale = [&](DevicePtr Params::*at, std::int64_t Params::*step) {
        return Value(k_.load(p_.tensor(at, Elem::f32) + Value(wide(place_.head)) * p_(step), "scale"));
      };
      all.key_scale = scale(&Params::k_scales, &Params::k_scales_head);
      all.value_scale = s_.joint ? all.key_scale : scale(&Params::v_scales, &Params::v_scales_head);
    }
    return all;
  }

  /// Page ids of a tile: for each different way in which threads copy rows. K and V are mostly copied alike, and one
  /// look-up serves both.
  using Ids = std::vector<std::vector<Tile>>;
  const std::vector<const PageIds*>& ways() {
    if (!ways_.empty()) return ways_;
    for (const auto& rows : rows_) {
      ways_of_.emplace_back();
      for (const PageIds& ids : rows->ids()) {
        auto known = std::find_if(ways_.begin(), ways_.end(), [&](const PageIds* w) { return *w == ids; });
        ways_of_.back().push_back(static_cast<std::size_t>(known - ways_.begin()));
        if (known == ways_.end()) ways_.push_back(&ids);
      }
    }
    return ways_;
  }
  Ids look_up(const Pages& pages, const Value& tile) {
    Ids all;
    for (const PageIds* way : ways()) all.push_back(way->look_up(pages, tile));
    return all;
  }
  /// Starts the copies of a tile; past the last one there is nothing to copy.
  void copy(const Value& tile, const Value& stage, const Value& phases, const Pages& pages, const Ids& ids) {
    std::size_t of_bulk = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i]->bulk()) {
        of_bulk = ways_of_[i][0];
        continue;
      }
      Ids mine;
      for (std::size_t way : ways_of_[i]) mine.push_back(ids[way]);
      rows_[i]->copy(tile, stage, pages.limit, mine);
    }
    if (async_) k_.copy_commit();
    if (bulk_) k_.when(tile < pages.last, [&] { bulk_->copy(tile, stage, phases, pages.limit, ids[of_bulk]); });
  }
  /// Until the tile in `stage` is there, for all of the team, whose threads have copied later ones since.
  /// Gives the phases that stages are in then.
  Value wait(const Value& tile, const Value& stage, const Pages& pages, Value phases) {
    if (async_) k_.copy_wait(most_ahead_ - 1);
    if (bulk_) phases = bulk_->wait(tile, stage, pages.limit, phases);
    // Groups go on by themselves where the copy engine waits until they have given a stage back.
    if (!softmax_.groups() || async_) k_.barrier();
    return phases;
  }

  Value next(const Value& stage) const {
    return Value(select(stage >= s_.stages - 1, k_.constant(Type::i32, 0), stage + 1));
  }
  Value previous(const Value& stage) const {
    return Value(select(stage == 0, k_.constant(Type::i32, s_.stages - 1), stage - 1));
  }

  /// How many turns' keys are under way beside those in use, for a part of so many tiles. Decided in the kernel only
  /// for teams that the copy engine serves alone: all others keep all stages filled.
  Value ahead_of(const Value& tiles) const {
    Value most = k_.constant(Type::i32, most_ahead_);
    return ahead_varies_ ? Value(select(tiles <= few_tiles, one(), most)) : most;
  }
  /// The stage that keys are in `ahead` turns after those in `stage`.
  Value later(const Value& stage, const Value& ahead) const {
    Value most = stage;
    for (int i = most_ahead_; i < s_.stages; ++i) most = previous(most);
    return ahead_varies_ ? Value(select(ahead == 1, next(stage), most)) : most;
  }

  /// Takes in a segment, with `ahead` turns' keys under way. `phases`: of the stages, before it; gives them as they are
  /// after it.
  Value work(const Value& b, const SplitSequence& sequence, const QueryRows& rows, const Segment& seg,
             const Value& ahead, const Value& phases) {
    Value first = sequence.first_tile + seg.first, last = sequence.first_tile + seg.last;
    Pages pages{table_ + Value(wide(b)) * table_row(), minimum(sequence.length, last * s_.keys), last};
    k_.barrier();  // the stages may still be read for the sequence before
    const SplitProducts* groups = softmax_.groups();
    Pages at_once = pages;
    if (ahead_varies_) at_once.last = minimum(last, first + ahead);
    for (int i = 0; i < most_ahead_; ++i) {
      Value tile = first + i;
      copy(tile, k_.constant(Type::i32, i), phases, at_once, look_up(pages, tile));
    }
    softmax_.begin(rows, sequence.length, sequence.queries);
    if (groups) k_.barrier();

    std::vector<Tile> carried = softmax_.none();
    std::size_t state = carried.size();
    carried.push_back(zero());
    carried.push_back(phases);
    if (groups) carried.push_back(phases >> s_.stages);  // turns so far: from segment to segment above the stages' bits
    std::size_t first_id = carried.size();
    for (const auto& ids : look_up(pages, first + ahead))
      for (const Tile& id : ids) carried.push_back(id);
    auto turn = [&](const Value& tile, std::vector<Tile>& now, bool opening) {
      Value stage(now[state]), before = opening ? Value() : previous(stage);
      now[state + 1] = wait(tile, stage, pages, Value(now[state + 1]));
      auto id = now.begin() + static_cast<std::ptrdiff_t>(first_id);
      Ids ids = look_up_shape();
      for (auto& group : ids)
        for (Tile& one : group) one = *id++;
      auto fill = [&] {
        copy(tile + ahead, later(stage, ahead), Value(now[state + 1]), pages, ids);
        id = now.begin() + static_cast<std::ptrdiff_t>(first_id);
        for (const auto& group : look_up(pages, tile + (ahead + 1)))
          for (const Tile& one : group) *id++ = one;
      };
      if (groups)
        softmax_.take_split(tile, stage, before, Value(now[state + 2]), now, fill);
      else
        softmax_.take(tile, stage, now, fill);
      if (bulk_ && groups && !opening) bulk_->give_back(before);
      now[state] = next(stage);
      if (groups) now[state + 2] = Value(now[state + 2]) + 1;
    };
    Value start = first;
    if (groups) {
      turn(first, carried, true);
      start = first + 1;
    }
    auto result = k_.loop(start, last, one(), carried,
                          [&](const Value& tile, std::vector<Tile>& now) { turn(tile, now, false); });
    if (async_) k_.copy_wait(0);
    if (groups) {
      Value stage = previous(Value(result[state]));
      softmax_.finish_split(last - 1, stage, Value(result[state + 2]), result);
      if (bulk_) bulk_->give_back(stage);
    }
    Value after(result[state + 1]);
    if (groups) after = (after & ((1 << s_.stages) - 1)) | Value(result[state + 2]) << s_.stages;
    result.resize(state);
    Value whole = (seg.first == 0) & (seg.last == sequence.tiles);
    k_.when(
        whole, [&] { finish(result); }, [&] { leave(result, seg); });
    return after;
  }

  /// As many empty places as look_up gives ids.
  Ids look_up_shape() {
    Ids all;
    for (const PageIds* way : ways()) all.emplace_back(static_cast<std::size_t>(way->count()));
    return all;
  }

  /// What is written once for each row: the first column's holders write it.
  Tile row_mask(const Softmax::Places& at, const Layout& l) const { return at.live & (k_.arange(l, 1) == 0); }

  void finish(const std::vector<Tile>& state) {
    Softmax::Result r = softmax_.result(state);
    Tile total = r.sum;
    if (s_.sinks) {
      Softmax::Places at = softmax_.places(*r.max.layout());
      Tile sink = k_.load(p_.tensor(&Params::sinks, Elem::f32) + at.head, at.live, "sink") * (1 / ln2);
      Tile base = select(r.max == -infinity, real(r.max, 0), r.max);
      total = total + fast(MachineOp::exp2_fast, sink - base);
    }
    Tile share = select(total > 0.0, fast(MachineOp::rcp_fast, total), real(total, 0));
    OfRows shares{k_, share, {}};
    int aligned = promised_bytes(s_.align, s_.q), step = aligned / bytes(s_.q);
    Pointer out = p_.tensor(&Params::out, s_.q, aligned);
    Value token = p_(&Params::out_token, {.multiple_of = step}), head = p_(&Params::out_head, {.multiple_of = step});
    std::size_t number = 0;
    for (const auto& stretch : r.out) {
      Tile value = cast(stretch.values * shares.as(stretch.values.layout()->slice(1)), type_of(s_.q));
      if (softmax_.groups()) value = softmax_.groups()->by_rows(value, number++);
      const Layout& l = *value.layout();
      Softmax::Places at = softmax_.places(l);
      Tile column = k_.arange(l, 1);
      k_.store(out + (wide(at.query) * token + wide(at.head) * head + wide(column + stretch.first)), value,
               at.live & (column < stretch.size));
    }
    if (s_.lse) write_lse(r);
  }

  void write_lse(const Softmax::Result& r) {
    const Layout& l = *r.logs.layout();
    Softmax::Places at = softmax_.places(l);
    Tile logs = r.logs * ln2;
    Tile empty = select(p_(&Params::empty_lse_pos_inf) != 0, real(logs, infinity), real(logs, -infinity));
    Pointer lse = p_.tensor(&Params::lse, Elem::f32);
    k_.store(lse + (wide(at.query) * p_(&Params::lse_token) + wide(at.head) * p_(&Params::lse_head)),
             select(r.any, logs, empty), row_mask(at, l));
  }

  /// Slot 0 of a part is for the sequence that began before it, slot 1 for the one that goes on after it.
  void leave(const std::vector<Tile>& state, const Segment& seg) {
    Value later(select(seg.first == 0, one(), k_.constant(Type::i32, 0)));
    Value slot = place_.part * 2 + later;
    Value first_row = (Value(wide(slot)) * Value(wide(place_.slices)) + Value(wide(place_.slice))) * s_.rows;
    Softmax::Result r = softmax_.result(state);
    Tile share = select(r.sum > 0.0, fast(MachineOp::rcp_fast, r.sum), real(r.sum, 0));
    OfRows shares{k_, share, {}};
    Pointer partial = p_.tensor(&Params::partial, Elem::f32, 16);
    for (const auto& stretch : r.out) {
      const Layout& l = *stretch.values.layout();
      Tile column = k_.arange(l, 1), row = wide(k_.arange(l, 0)) + first_row;
      k_.store(partial + (row * s_.dim_v + wide(column + stretch.first)), stretch.values * shares.as(l.slice(1)),
               softmax_.places(l).live & (column < stretch.size));
    }
    const Layout& l = *r.logs.layout();
    Pointer lse = p_.tensor(&Params::partial_lse, Elem::f32, 4);
    k_.store(lse + (wide(k_.arange(l, 0)) + first_row), r.logs, row_mask(softmax_.places(l), l));
  }

  Kernel& k_;
  Spec s_;
  const Parameters& p_;
  Place place_;
  Pointer table_;
  std::vector<std::unique_ptr<CacheRows>> rows_;
  std::vector<const PageIds*> ways_;               // different ones
  std::vector<std::vector<std::size_t>> ways_of_;  // of each of rows_: which of them it copies by
  Softmax softmax_;
  std::optional<BulkRows> bulk_;
  bool async_ = false;         // some rows are brought by threads
  int most_ahead_ = 1;         // turns whose keys are under way beside those in use
  bool ahead_varies_ = false;  // by the part: see ahead_of
};

/// Asks for the lists while the kernel before still finishes. Whatever that one writes into them, L2 has it: so this is
/// right where a load would not be.
void prefetch_lists(Kernel& k, const Spec& s, const Parameters& p) {
  constexpr int sector = 32, most_blocks = 1 << 17;  // so that numbers of bytes fit
  Value team = minimum(k.program(0), most_blocks) * s.teams + k.team();
  Value thread = team * (32 * s.down * s.across) + k.thread();
  auto ask = [&](const Pointer& list, const Value& count) {
    Value at = thread * (sector / bytes(list.elem()));
    k.when(at < count, [&] { k.prefetch(list + at); });
  };
  Value batch = p(&Params::batch, {.at_least = 0});
  ask(p.tensor(&Params::lengths, s.lengths), batch);
  if (s.ragged) ask(p.tensor(&Params::indptr, Elem::i32), batch);
  ask(p.tensor(&Params::table, s.table), p(&Params::table_entries));
}

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("attend", 32 * s.down * s.across, s.teams);
  k.when(p(&Params::settled) == 0, [&] {
    prefetch_lists(k, s, p);
    k.dependency_wait();
  });
  Program(k, s, p).run();
  k.end();
}

}  // namespace pagejit::attend
