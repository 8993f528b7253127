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
#include "kernels/common/split_plan_early.h"

namespace pagejit::attend {
namespace {

constexpr double ln2 = 0.6931471805599453;
constexpr double infinity = std::numeric_limits<double>::infinity();

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
        caches_(make_caches()),
        softmax_(k, s, p, caches_) {
    std::vector<const CacheRows*> all;
    for (const auto& r : rows_) all.push_back(r.get());
    if (s.bulk) bulk_.emplace(k, s, all, softmax_.groups());
    async_ = std::any_of(all.begin(), all.end(), [](const CacheRows* r) { return !r->bulk(); });
    ahead_ = softmax_.groups() ? softmax_.groups()->ahead() : s.stages - 1;
  }

  void run() {
    Value settled = k_.target().has_pdl() ? p_(&Params::settled) : one();
    EarlySplit split(k_, batch_of(s_, p_), place_.part, settled);
    Beginning early = beginning(split);
    k_.when(
        split.early(), [&] { prefetch_entry(early); }, [&] { prefetch_lists(); });
    k_.dependency_wait();
    k_.dependents_launch();  // not before the wait: see kernels/README.md
    load_scales();
    // Under way together with the lists that are confirmed.
    std::vector<Tile> ids = first_ids(early);
    Value wrong = split.confirm();
    Value known(select(wrong, k_.constant(Type::i32, -1), split.part().first));
    take_part(split, known, ids);
  }

 private:
  /// Tiles of a sequence, counted from its first one.
  struct Segment {
    Value first, last;
  };
  Segment segment(const SplitPart& part, const Value& start, const SplitSequence& sequence) const {
    return {maximum(part.from - start, 0), minimum(part.to - start, sequence.tiles)};
  }

  /// Where a segment's keys are, and the tile that it begins with.
  struct Beginning {
    Pages pages;
    Value tile;
  };
  Beginning begin(const Value& b, const SplitSequence& sequence, const Segment& seg) const {
    Value last = sequence.first_tile + seg.last;
    return {{table_ + Value(wide(b)) * table_row(), minimum(sequence.length, last * s_.keys), last},
            sequence.first_tile + seg.first};
  }
  /// Of the part's first sequence, before the part is confirmed: no key is looked up that the table has no entry for,
  /// whatever the lists said.
  Beginning beginning(const EarlySplit& split) const {
    SplitPart part = split.part();
    SplitSequence sequence = split.sequence(part.first);
    Beginning at = begin(part.first, sequence, segment(part, part.start, sequence));
    Value entries = p_(&Params::table_entries) - Value(wide(part.first)) * table_row();
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    Value some(cast(minimum(maximum(entries, 0), most / s_.page), Type::i32));
    at.pages.limit = minimum(at.pages.limit, some * s_.page);
    return at;
  }
  /// Takes in the sequences of a part. Of sequence `known` the first_ids() are `ids`.
  void take_part(const EarlySplit& split, const Value& known, const std::vector<Tile>& ids) {
    SplitPart part = split.part();
    enum { start_, phases_, ids_ };
    std::vector<Tile> carried{part.start, zero()};
    carried.insert(carried.end(), ids.begin(), ids.end());
    k_.loop(part.first, part.last + 1, one(), carried, [&](Value number, std::vector<Tile>& now) {
      Value b = maximum(number, 0), start = maximum(Value(now[start_]), 0);
      SplitSequence sequence = split.sequence(b);
      Segment seg = segment(part, start, sequence);
      QueryRows rows{place_.row_tile * s_.rows, sequence.queries * s_.group, sequence.first_query,
                     place_.head * s_.group};
      auto take = [&](std::vector<Tile>& phases) {
        Beginning at = begin(b, sequence, seg);
        std::vector<Tile> first = k_.when(number != known, {now.begin() + ids_, now.end()},
                                          [&](std::vector<Tile>& looked_up) { looked_up = first_ids(at); });
        phases[0] = work(at, first, sequence, rows, seg, Value(phases[0]));
      };
      now[phases_] = k_.when((seg.first < seg.last) & (rows.first < rows.count), {now[phases_]}, take)[0];
      now[start_] = start + sequence.tiles;
      // No register holds them any longer.
      for (std::size_t i = ids_; i < now.size(); ++i) now[i] = k_.constant(now[i].type(), 0);
    });
  }
  /// The page ids of as many tiles as may be under way at first.
  std::vector<Tile> first_ids(const Beginning& at) {
    std::vector<Tile> all;
    for (int i = 0; i < ahead_; ++i)
      for (const Tile& id : look_up(at.pages, at.tile + i)) all.push_back(id);
    return all;
  }

  // Prefetches, while the kernel before still finishes. Whatever that one writes there, L2 has it: so they are right
  // where a load would not be.
  void prefetch_entry(const Beginning& at) {
    Value key = at.tile * s_.keys;
    k_.when(key < at.pages.limit, [&] { k_.prefetch(at.pages.table + Value(wide(key / s_.page))); });
  }
  /// Of a batch whose parts are not known early. All teams share the lists among themselves.
  void prefetch_lists() {
    constexpr int sector = 32, most_blocks = 1 << 17;  // so that numbers of bytes fit
    Value team = minimum(k_.program(0), most_blocks) * s_.teams + k_.team();
    Value thread = team * (32 * s_.down * s_.across) + k_.thread();
    auto ask = [&](const Pointer& list, const Value& count) {
      Value at = thread * (sector / bytes(list.elem()));
      k_.when(at < count, [&] { k_.prefetch(list + at); });
    };
    Value batch = p_(&Params::batch, {.at_least = 0});
    ask(p_.tensor(&Params::lengths, s_.lengths), batch);
    if (s_.ragged) ask(p_.tensor(&Params::indptr, Elem::i32), batch);
    ask(table_, p_(&Params::table_entries));
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
    return all;
  }

  /// After the wait: the kernel before may write them.
  void load_scales() {
    if (s_.quant != Quant::fp8) return;
    auto scale = [&](DevicePtr Params::*at, std::int64_t Params::*step) {
      return Value(k_.load(p_.tensor(at, Elem::f32) + Value(wide(place_.head)) * p_(step), "scale"));
    };
    caches_.key_scale = scale(&Params::k_scales, &Params::k_scales_head);
    caches_.value_scale = s_.joint ? caches_.key_scale : scale(&Params::v_scales, &Params::v_scales_head);
  }

  /// The different ways in which threads copy rows. K and V are mostly copied alike, and one look-up serves both.
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
  /// The page ids of a tile, way after way: as branches and loops carry them.
  std::vector<Tile> look_up(const Pages& pages, const Value& tile) {
    std::vector<Tile> all;
    for (const PageIds* way : ways())
      for (const Tile& id : way->look_up(pages, tile)) all.push_back(id);
    return all;
  }
  int ids_of_tile() {
    int all = 0;
    for (const PageIds* way : ways()) all += way->count();
    return all;
  }
  /// Starts the copies of a tile whose page ids begin at `id`; past the last one there is nothing to copy.
  void copy(const Value& tile, const Value& stage, const Value& phases, const Pages& pages, const Tile* id) {
    std::vector<std::vector<Tile>> ids;
    for (const PageIds* way : ways()) ids.emplace_back(id, id + way->count()), id += way->count();
    std::size_t of_bulk = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i]->bulk()) {
        of_bulk = ways_of_[i][0];
        continue;
      }
      std::vector<std::vector<Tile>> mine;
      for (std::size_t way : ways_of_[i]) mine.push_back(ids[way]);
      rows_[i]->copy(tile, stage, pages.limit, mine);
    }
    if (async_) k_.copy_commit();
    if (bulk_) k_.when(tile < pages.last, [&] { bulk_->copy(tile, stage, phases, pages.limit, ids[of_bulk]); });
  }
  /// Until the tile in `stage` is there, for all of the team, whose threads have copied later ones since.
  /// Gives the phases that stages are in then.
  Value wait(const Value& tile, const Value& stage, const Pages& pages, Value phases) {
    if (async_) k_.copy_wait(ahead_ - 1);
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

  /// Takes in a segment; `ids` are its first_ids(). `phases`: of the stages, before it; gives them as they are after
  /// it.
  Value work(const Beginning& at, const std::vector<Tile>& ids, const SplitSequence& sequence, const QueryRows& rows,
             const Segment& seg, const Value& phases) {
    const Pages& pages = at.pages;
    k_.barrier();  // the stages may still be read for the sequence before
    const SplitProducts* groups = softmax_.groups();
    for (int i = 0; i < ahead_; ++i)
      copy(at.tile + i, k_.constant(Type::i32, i), phases, pages, &ids[static_cast<std::size_t>(i * ids_of_tile())]);
    softmax_.begin(rows, sequence.length, sequence.queries);
    if (groups) k_.barrier();

    std::vector<Tile> carried = softmax_.none();
    std::size_t state = carried.size();
    carried.push_back(zero());
    carried.push_back(phases);
    if (groups) carried.push_back(phases >> s_.stages);  // turns so far: from segment to segment above the stages' bits
    std::size_t first_id = carried.size();
    for (const Tile& id : look_up(pages, at.tile + ahead_)) carried.push_back(id);
    auto turn = [&](const Value& tile, std::vector<Tile>& now, bool opening) {
      Value stage(now[state]), before = opening ? Value() : previous(stage);
      now[state + 1] = wait(tile, stage, pages, Value(now[state + 1]));
      auto fill = [&] {
        auto id = now.begin() + static_cast<std::ptrdiff_t>(first_id);
        Value free = stage;
        for (int i = ahead_; i < s_.stages; ++i) free = previous(free);
        copy(tile + ahead_, free, Value(now[state + 1]), pages, &*id);
        for (const Tile& one : look_up(pages, tile + (ahead_ + 1))) *id++ = one;
      };
      if (groups)
        softmax_.take_split(tile, stage, before, Value(now[state + 2]), now, fill);
      else
        softmax_.take(tile, stage, now, fill);
      if (bulk_ && groups && !opening) bulk_->give_back(before);
      now[state] = next(stage);
      if (groups) now[state + 2] = Value(now[state + 2]) + 1;
    };
    Value start = at.tile;
    if (groups) {
      turn(start, carried, true);
      start = start + 1;
    }
    auto result = k_.loop(start, pages.last, one(), carried,
                          [&](const Value& tile, std::vector<Tile>& now) { turn(tile, now, false); });
    if (async_) k_.copy_wait(0);
    if (groups) {
      Value stage = previous(Value(result[state]));
      softmax_.finish_split(pages.last - 1, stage, Value(result[state + 2]), result);
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
  Caches caches_;
  Softmax softmax_;
  std::optional<BulkRows> bulk_;
  bool async_ = false;  // some rows are brought by threads
  int ahead_ = 1;       // turns whose keys are under way beside those in use
};

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("attend", 32 * s.down * s.across, s.teams);
  Program(k, s, p).run();
  k.end();
}

}  // namespace pagejit::attend
