// How teams work, and what is said of Specs.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "kernels/attend/host.h"
#include "kernels/common/rules.h"

namespace pagejit::attend {
namespace {

/// Of shared memory, for one turn's keys of one team.
int stage_bytes(const Spec& s) {
  int all = 0, pair = model_metadata(s.quant) ? 2 * bytes(s.meta) : 0;
  for (const Piece& p : pieces(0, codes(s.quant, s.dim_k))) all += p.size * bytes(s.k);
  if (!s.joint)
    for (const Piece& p : pieces(0, codes(s.quant, s.dim_v))) all += p.size * bytes(s.v);
  return (all + (s.joint ? pair : 2 * pair)) * s.keys;
}

/// Of shared memory, for a team's queries, where registers hold none of them.
int queries_bytes(const Spec& s) {
  int all = 0;
  for (const Piece& p : pieces(0, s.dim_k)) all += p.size * bytes(s.q);
  return all * s.rows;
}

int floor_power(int n) {
  int p = 1;
  while (2 * p <= n) p *= 2;
  return p;
}

/// Whether rows are of a form that the copy engine can bring, whatever their alignment: boxes of a tensor are as wide
/// as one another, and their rows swizzled.
bool fits_boxes(const Spec& s) {
  auto fits = [&](int width, Elem e) {
    int row = width * bytes(e);
    return row % 128 == 0 || row == 64 || row == 32;
  };
  return fits(codes(s.quant, s.dim_k), s.k) && fits(codes(s.quant, s.dim_v), s.v);
}

/// Whether V's elements can be the first operand of products, 16 of them at a time.
bool rows_can_be_few(const Spec& s) {
  std::vector<Piece> all = pieces(0, codes(s.quant, s.dim_v));
  return std::all_of(all.begin(), all.end(),
                     [&](const Piece& p) { return p.size >= (s.quant == Quant::none ? 16 : 32); });
}

/// What was asked for, or else our own choice.
int either(int tuned, int own) {
  return tuned > 0 ? tuned : own;
}

/// Of shared memory, for a team that splits dims: stages, queries, partial sums of scores, and twice weights and a
/// factor a row.
int split_bytes(const Spec& s) {
  int sums = (s.across - 1) * s.down * s.across * s.keys / 16 * 512, columns = s.dim_k - 64 * held_blocks(s);
  return s.stages * stage_bytes(s) + s.rows * columns * bytes(s.q) + sums + 2 * s.rows * (s.keys * bytes(s.q) + 4);
}

/// Rows that several warps share: queries lie in shared memory beside the keys, and there is one team a block.
void choose_wide(Spec& s, std::int64_t rows, const Chip& chip, const Tuning& t) {
  auto most_stages = [&] { return (chip.shared_bytes - 4096 - queries_bytes(s)) / stage_bytes(s); };
  auto take = [&](int team_rows, int keys) {
    s.rows = either(t.rows, team_rows), s.keys = either(t.keys, keys);
    return most_stages() >= 2;
  };
  // Many rows are arithmetic. Warps with queries in registers read no key twice in a group.
  s.rows = either(t.rows, 64), s.keys = either(t.keys, 32), s.stages = either(t.stages, 4);
  s.down = either(t.down, 2), s.across = either(t.across, 4), s.teams = either(t.teams, 1);
  if (rows > 32 && splits_dims(s) && split_bytes(s) + 1024 <= chip.shared_bytes) return;
  // A warp that multiplies 32 rows with its keys reads each key half as often.
  bool many = rows > 32 && s.quant == Quant::none && take(64, 64);
  if (!many && !(rows > 16 && take(32, 32))) take(16, 32);
  s.down = either(t.down, many ? 2 : s.rows / 16), s.across = either(t.across, 4), s.teams = either(t.teams, 1);
  // Each warp has eight columns or more of each piece of V's row.
  for (const Piece& p : pieces(0, codes(s.quant, s.dim_v)))
    while (t.across == 0 && s.across > 1 && p.size < 8 * s.across * (s.quant == Quant::none ? 1 : 2)) s.across /= 2;
  s.stages = either(t.stages, std::clamp(most_stages(), 2, 4));
}

/// A warp has its rows with all their sums; teams of a block are neighbouring heads.
void choose_narrow(Spec& s, std::int64_t rows, const Chip& chip, const Tuning& t) {
  s.rows = either(t.rows, rows <= 8 && rows_can_be_few(s) ? 8 : rows <= 16 ? 16 : rows <= 32 ? 32 : 64);
  s.down = either(t.down, std::max(1, s.rows / 16)), s.across = either(t.across, 1);
  // What a turn holds in registers beside the sums grows with its keys. Where the copy engine brings rows, or could if
  // they were aligned, the decoding of int4 pays over longer turns; where threads copy, codes of few rows leave room
  // for them, which share what a turn costs besides. Sums have one order whatever the alignment.
  bool full = s.dim_k > 128 || s.dim_v > 128, boxes = chip.bulk_copies && s.page % 16 == 0 && fits_boxes(s) && !full;
  bool of_few = !full && !boxes && s.rows == 8 && s.quant != Quant::none;
  bool long_turns = of_few || (boxes && s.quant == Quant::int4 && s.meta == Elem::f16);
  s.keys = either(t.keys, full ? 16 : long_turns ? 64 : 32);
  int most = std::min(chip.shared_bytes, 104 << 10), stage = stage_bytes(s);
  // Small blocks begin one by one as the kernel before ends: what short parts gain by it long ones lose in part.
  int warps = s.down * s.across, together = boxes && s.quant == Quant::none ? 1 : boxes || of_few ? 2 : 4;
  int teams = std::max(1, together / warps);
  int most_stages = long_turns ? 2 : s.keys == 16 || s.quant == Quant::int4 ? 4 : 3;
  // 16 KB under way a warp, of what threads copy: what is asked for beyond that, the memory delivers no sooner, and
  // where all teams ask for all they need at once it delivers the whole later. Not measured for large rows.
  constexpr int under_way = 16 << 10;
  if (!full && !boxes) most_stages = std::min(most_stages, 1 + (warps * under_way + stage / 2) / stage);
  s.stages = either(t.stages, std::clamp(most / stage, 2, std::max(2, most_stages)));
  s.teams = either(t.teams, std::clamp(floor_power(most / (stage * s.stages)), 1, teams));
}

}  // namespace

std::vector<Piece> pieces(int from, int dim) {
  std::vector<Piece> all;
  for (int left = dim; left > 0;) {
    int size = left < 16 ? 16 : floor_power(left);
    all.push_back({from, size});
    from += size, left -= size;
  }
  return all;
}

int held_blocks(const Spec& s) {
  constexpr int most = 160;  // of a thread's 255 registers, for sums and queries
  int rows = s.rows / s.down, sums = rows * s.dim_v / (32 * s.across), block = rows * 64 / (64 * s.across);
  return std::min(s.dim_k / 64, (most - sums) / block);
}

bool splits_dims(const Spec& s) {
  int rows = s.rows / s.down, sums = rows * s.dim_v / (32 * s.across);
  bool fits = s.quant == Quant::none && s.down == 2 && s.teams == 1 && rows == 8 * s.across && s.across == 4 &&
              s.stages >= 4 && s.keys == 32 && sums <= 128;
  for (int dim : {s.dim_v, s.joint ? s.dim_k - s.dim_v : s.dim_k})
    for (const Piece& p : pieces(0, dim)) fits = fits && p.size % 64 == 0;
  return fits;
}

void choose_team(Spec& s, std::int64_t rows, const Chip& chip, const Tuning& t) {
  bool wide = s.dim_k > 256 || s.dim_v > 256;
  if (wide)
    choose_wide(s, rows, chip, t);
  else
    choose_narrow(s, rows, chip, t);
  // Other teams of many rows have no shared memory left.
  s.bulk = chip.bulk_copies && t.bulk >= 0 && fits_bulk(s) && (!wide || s.rows <= 32 || splits_dims(s));
}

int resident_teams(const Spec& s, const Chip& chip) {
  constexpr int reserved = 1 << 10, registers = 65536, of_a_thread = 256;
  int warps = s.down * s.across, block = s.teams * s.stages * stage_bytes(s) + reserved;
  if (warps > 1) block += queries_bytes(s);
  int by_shared = std::max(1, chip.shared_bytes / block) * s.teams,
      by_registers = registers / (of_a_thread * 32 * warps);
  // More warps than four only help where there is little to read and much to decode (docs/measured.md).
  int worthwhile = (s.quant == Quant::int4 ? 8 : 4) / std::min(4, warps);
  if (warps > 1) worthwhile = by_shared;
  return std::max(1, std::min({by_shared, by_registers, worthwhile}));
}

bool fits_bulk(const Spec& s) {
  return s.align == Align::a16 && box_rows(s) >= 8 && fits_boxes(s);
}

int box_rows(const Spec& s) {
  return std::gcd(s.page, s.keys);
}

bool whole_boxes(const Spec& s) {
  return box_rows(s) == s.keys;
}

void check(const Spec& s) {
  check_fields(s);
  bool half = s.q == Elem::f16 || s.q == Elem::bf16;
  need(half, "q", name_of(s.q), "f16 or bf16");
  need(s.quant == Quant::none || s.quant == Quant::fp8 || s.quant == Quant::int8 || s.quant == Quant::int4, "quant",
       name_of(s.quant), "none, fp8, int8 or int4");
  bool stored = s.quant == Quant::none  ? s.k == s.q
                : s.quant == Quant::fp8 ? s.k == Elem::e4m3 || s.k == Elem::e5m2
                                        : s.k == Elem::u8;
  need(stored, "k", name_of(s.k),
       s.quant == Quant::none  ? "the same as q"
       : s.quant == Quant::fp8 ? "e4m3 or e5m2"
                               : "u8");
  need(s.v == s.k, "v", name_of(s.v), "the same as k");
  need(is_model_float(s.meta), "meta", name_of(s.meta), "f16, bf16 or f32");
  need(is_index(s.table), "table", name_of(s.table), "i32 or i64");
  need(is_index(s.lengths), "lengths", name_of(s.lengths), "i32 or i64");
  auto number = [](int n) { return fmt::format("{}", n); };
  need(s.dim_k <= max_dim, "dim_k", number(s.dim_k), fmt::format("at most {}", max_dim));
  need(s.dim_v <= (s.joint ? s.dim_k : max_dim), "dim_v", number(s.dim_v),
       s.joint ? "at most dim_k: V is a part of K's row" : fmt::format("at most {}", max_dim));
  need(!s.joint || s.dim_v % 16 == 0 || s.dim_v == s.dim_k, "dim_v", number(s.dim_v),
       "a multiple of 16, or dim_k itself (joint)");
  need(s.quant != Quant::int4 || (!s.joint && s.dim_k % 2 == 0 && s.dim_v % 2 == 0), "dim_k", number(s.dim_k),
       "even dims and a V of its own, for two codes to a byte");
  need(s.group <= max_group, "group", number(s.group), fmt::format("at most {}", max_group));
  // Few rows are the second operand of products: see template_products.h.
  bool few = s.rows < 16;
  need(!few || s.down * s.across == 1, "rows", number(s.rows), "16 or more for teams of several warps");
  need(few || s.rows >= 16 * s.down, "rows", number(s.rows),
       fmt::format("at least 16 for each of {} warps down", s.down));
  need(s.keys >= 8 * s.across, "keys", number(s.keys), fmt::format("at least 8 for each of {} warps across", s.across));
  int warps = s.down * s.across;
  // Whole rows of scores a warp: see template_softmax.cpp.
  need(!model_metadata(s.quant) || s.across == 1 || s.rows / s.down * s.keys <= 512, "keys", number(s.keys),
       fmt::format("at most {} with codes, for {} rows of {} warps", 512 * s.down / s.rows, s.rows, s.down));
  need(warps * s.teams <= 32, "teams", number(s.teams), fmt::format("at most {} of {} warps", 32 / warps, warps));
  need(!s.bulk || fits_bulk(s), "bulk", "1",
       "0: the copy engine takes pages of 8 rows or more, of 32, 64 or multiples of 128 bytes, and alignment a16");
  int twice = s.quant == Quant::none ? 1 : 2;
  need(!few || rows_can_be_few(s), "rows", number(s.rows),
       fmt::format("16 or more for {} elements of V: {} of them at a time are too few", s.dim_v, 16 * twice));
  for (const Piece& p : pieces(0, codes(s.quant, s.dim_v)))
    need(p.size >= 8 * s.across * twice, "across", number(s.across),
         fmt::format("at most {}, for the {} elements from {} of V's row", p.size / 8 / twice, p.size, p.first));
}

std::string_view summary() {
  return "attention of a few queries a sequence over a paged cache, its keys split among all multiprocessors";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"q", "element of queries and output: f16 or bf16"},
      {"k", "stored element of K: as q, or codes"},
      {"v", "stored element of V"},
      {"quant", "how the cache is quantised"},
      {"meta", "element of int8's and int4's scales and zeros: f16, bf16 or f32"},
      {"dim_k", "head dim of K and of queries"},
      {"dim_v", "head dim of V and of the output"},
      {"page", "rows of a page"},
      {"joint", "V is the first dim_v elements of K's rows"},
      {"group", "query heads that share a KV head"},
      {"table", "element of the page table: i32 or i64"},
      {"lengths", "element of the lengths: i32 or i64"},
      {"ragged", "sequences have different numbers of queries"},
      {"window", "keys further back than a bound are not seen"},
      {"softcap", "scores pass through cap · tanh(score / cap)"},
      {"sinks", "each head has a logit without a value"},
      {"alibi", "scores fall with distance, by a slope for each head"},
      {"lse", "the log of each row's sum is written"},
      {"align", "what pointers and strides in bytes are multiples of"},
      {"rows", "query rows (tokens · heads of a group) of a team"},
      {"keys", "keys of a turn"},
      {"stages", "turns whose keys are under way or in use"},
      {"down", "warps of a team, along its rows"},
      {"across", "warps of a team, along keys and output elements"},
      {"teams", "teams of a block"},
      {"bulk", "the copy engine brings rows (sm_90 and later)"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

}  // namespace pagejit::attend
