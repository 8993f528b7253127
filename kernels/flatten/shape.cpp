// The shape of a launch, and what is said and listed of Specs.
#include <fmt/format.h>

#include "kernels/flatten/host.h"
#include "runtime/base/error.h"

namespace pagejit::flatten {
namespace {

template <class T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

void need(bool ok, std::string_view field, std::string value, std::string_view expected) {
  if (!ok)
    fail(Code::argument, fmt::format("{} is {}; expected {}", field, value, expected), {{"field", std::string(field)}});
}

std::string_view name_of(Elem e) {
  return enum_names(e)[static_cast<std::size_t>(e)].second;
}

bool is_model_float(Elem e) {
  return e == Elem::f16 || e == Elem::bf16 || e == Elem::f32;
}
bool is_index(Elem e) {
  return e == Elem::i32 || e == Elem::i64;
}

}  // namespace

void check(const Spec& s) {
  check_fields(s);
  auto elem = [](Elem e) { return std::string(name_of(e)); };
  need(is_model_float(s.kv), "kv", elem(s.kv), "f16, bf16 or f32");
  need(is_model_float(s.to), "to", elem(s.to), "f16, bf16 or f32");
  need(is_index(s.table), "table", elem(s.table), "i32 or i64");
  need(is_index(s.lengths), "lengths", elem(s.lengths), "i32 or i64");
  need(s.dim_k <= max_dim, "dim_k", std::to_string(s.dim_k), fmt::format("at most {}", max_dim));
  need(s.dim_v <= max_dim, "dim_v", std::to_string(s.dim_v), fmt::format("at most {}", max_dim));
  need(!s.joint || s.dim_v == s.dim_k, "dim_v", std::to_string(s.dim_v),
       fmt::format("{}, as dim_k: V is a part of K (joint)", s.dim_k));
  need(items(s) >= 1, "threads", std::to_string(s.threads),
       "threads × unroll × the elements of an access to be at least one head dim");
}

void choose_block(Spec& s, const Tuning& tuning) {
  s.threads = least_threads(s);
  // Heads whose size is a power of two fill a block without a rest: nothing to weigh, and no division before a launch.
  bool one_size = s.joint || s.dim_k == s.dim_v, power = (s.dim_k & (s.dim_k - 1)) == 0;
  bool exact = one_size && power && s.dim_k <= s.threads * vector_elements(s, s.dim_k);
  if (tuning.threads > 0) s.threads = tuning.threads;
  s.unroll = tuning.unroll > 0 ? tuning.unroll : exact ? least_unroll(s) : unroll_for(s);
  // A block holds at least one head: narrow accesses to a wide head need more of them.
  auto holds = [&](int dim) { return s.threads * s.unroll * vector_elements(s, dim) >= dim; };
  while (!holds(s.dim_k) || !holds(s.dim_v)) (s.unroll < 16 ? s.unroll : s.threads) *= 2;
}

LaunchShape launch_shape(const Spec& s, std::int64_t heads, std::int64_t out_rows, std::int64_t batch,
                         bool rows_adjacent, int multiprocessors, const Tuning& tuning) {
  // In 32 bits, where a division costs half: heads and rows have been checked to fit.
  auto all_heads = static_cast<unsigned>(heads), all_rows = static_cast<unsigned>(out_rows);
  auto threads = static_cast<unsigned>(s.threads), block_items = static_cast<unsigned>(items(s));
  // A block's stores should lie together: all heads of a few rows for shd, many rows of one head for hsd. Measured on
  // an H200 the other choice costs 2 to 4 % (docs/measured.md); how the cache lies makes no such difference.
  unsigned most_heads = rows_adjacent ? 1 : std::min(all_heads, block_items);
  if (tuning.group > 0) most_heads = std::min({all_heads, block_items, static_cast<unsigned>(tuning.group)});
  unsigned head_blocks = ceil_div(all_heads, most_heads);
  unsigned group = ceil_div(all_heads, head_blocks);  // the same number of heads for each, nearly
  // One tile of data a block keeps the way to the first load short. Each block reads all lengths, though, 32 at a time:
  // with many sequences it pays to look up the rows of several tiles at once.
  unsigned tile_rows = std::max(1u, block_items / group),
           tiles = std::max(1u, static_cast<unsigned>((batch + 31) / 256));
  if (tuning.tiles > 0) tiles = static_cast<unsigned>(tuning.tiles);
  unsigned most = std::min(threads, tile_rows * std::min(tiles, threads));  // a thread a row
  // Fewer rows where that would leave multiprocessors idle.
  unsigned blocks_wanted = std::max(1u, static_cast<unsigned>(multiprocessors) / head_blocks);
  unsigned rows = std::clamp(ceil_div(all_rows, blocks_wanted), 1u, most);
  return {static_cast<std::int32_t>(group), static_cast<std::int32_t>(rows), ceil_div(all_rows, rows), head_blocks};
}

std::string_view summary() {
  return "gathers the pages of every sequence into one contiguous array, and clears what follows";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"kv", "element of the cache: f16, bf16 or f32"},
      {"to", "element of the output: f16, bf16 or f32"},
      {"dim_k", "head dim of K"},
      {"dim_v", "head dim of V; joint: the same as dim_k"},
      {"page", "rows of a page"},
      {"joint", "V is a prefix of K: only K is copied"},
      {"tail", "output rows after the last sequence"},
      {"table", "element of the page table: i32 or i64"},
      {"lengths", "element of the lengths: i32 or i64"},
      {"starts", "first output row of each sequence: given, or the running sum of lengths"},
      {"align", "what pointers and strides in bytes are multiples of"},
      {"threads", "threads of a block"},
      {"unroll", "accesses in flight, a thread, of each tensor"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  Spec s;
  s.kv = s.to = m.elem;
  s.dim_k = m.dim_k;
  s.dim_v = m.joint ? m.dim_k : m.dim_v;
  s.joint = m.joint;
  for (int page : m.pages)
    for (Elem lengths : m.lengths)
      for (Starts starts : {Starts::computed, lengths == Elem::i64 ? Starts::i64 : Starts::i32})
        for (Tail tail : {Tail::zero, Tail::untouched})
          for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
            if (align == Align::elem && bytes(m.elem) >= 4) continue;  // an element of 4 bytes is aligned to 4
            s.page = page, s.lengths = lengths, s.starts = starts, s.tail = tail, s.align = align;
            choose_block(s);
            all.push_back(s);
          }
  return all;
}

}  // namespace pagejit::flatten
