// The shape of a launch, and what is said of Specs.
#include <fmt/format.h>

#include "kernels/common/rules.h"
#include "kernels/flatten/host.h"

namespace pagejit::flatten {
void choose_block(Spec& s, const Tuning& tuning) {
  s.threads = least_threads(s);
  // Heads whose size is a power of two fill a block without a rest: nothing to weigh, and no division before a launch.
  SideSpec k = k_side(s), v = v_side(s);
  bool one_size = s.joint || (s.dim_k == s.dim_v && s.quant_k == s.quant_v), power = (k.width() & (k.width() - 1)) == 0;
  bool exact = one_size && power && k.width() <= s.threads * vector_elements(s.align, k);
  if (exact && tuning.threads == 0 && tuning.unroll == 0) [[likely]] {
    s.unroll = least_unroll(s);
    return;
  }
  if (tuning.threads > 0) s.threads = tuning.threads;
  s.unroll = tuning.unroll > 0 ? tuning.unroll : exact ? least_unroll(s) : unroll_for(s);
  // A block holds at least one head: narrow accesses to a wide head need more of them.
  auto holds = [&](const SideSpec& side) {
    return s.threads * s.unroll * vector_elements(s.align, side) >= side.width();
  };
  while (!holds(k) || !holds(v)) (s.unroll < 16 ? s.unroll : s.threads) *= 2;
}

LaunchShape launch_shape(const Spec& s, std::int64_t heads, std::int64_t out_rows, std::int64_t batch,
                         bool rows_adjacent, int multiprocessors, const Tuning& tuning) {
  // In 32 bits, where a division costs half: heads and rows have been checked to fit.
  auto all_heads = static_cast<unsigned>(heads), all_rows = static_cast<unsigned>(out_rows);
  auto threads = static_cast<unsigned>(s.threads), block_items = static_cast<unsigned>(items(s));
  // A block's stores should lie together: all heads of a few rows for shd, many rows of one head for hsd; how the cache
  // lies makes less of a difference. Codes are short, though: so few bytes of one head are a poor stretch to read, and
  // the scales of a row's heads are neighbours.
  unsigned least_heads = quantised(s) ? 4 : 1;
  unsigned most_heads = std::min({all_heads, block_items, rows_adjacent ? least_heads : all_heads});
  if (tuning.group > 0) most_heads = std::min({all_heads, block_items, static_cast<unsigned>(tuning.group)});
  unsigned head_blocks = most_heads == all_heads ? 1 : ceil_div(all_heads, most_heads);
  unsigned group = head_blocks == 1 ? all_heads : ceil_div(all_heads, head_blocks);  // nearly the same for each
  // One tile of data a block keeps the way to the first load short; codes make it two. Each block reads all lengths,
  // though, 32 at a time: with many sequences it pays to look up the rows of several tiles at once.
  unsigned least_tiles = quantised(s) && per_code(s.quant_k) == 1 ? 2 : 1;
  unsigned tile_rows = std::max(1u, block_items / group),
           tiles = std::max(least_tiles, static_cast<unsigned>((batch + 31) / 256));
  if (tuning.tiles > 0) tiles = static_cast<unsigned>(tuning.tiles);
  unsigned most = std::min(threads, tile_rows * std::min(tiles, threads));  // a thread a row
  // Fewer rows where that would leave multiprocessors idle.
  unsigned processors = static_cast<unsigned>(multiprocessors);
  unsigned blocks_wanted = head_blocks == 1 ? processors : std::max(1u, processors / head_blocks);
  bool plenty = all_rows >= std::uint64_t{most} * blocks_wanted;
  unsigned rows = plenty ? most : std::clamp(ceil_div(all_rows, blocks_wanted), 1u, most);
  return {static_cast<std::int32_t>(group), static_cast<std::int32_t>(rows), ceil_div(all_rows, rows), head_blocks};
}

std::string_view summary() {
  return "gathers the pages of every sequence into one contiguous array, and clears what follows";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"k", "stored element of K: f16, bf16, f32 or u8 as they are; e4m3, e5m2 or u8 where quantised"},
      {"v", "stored element of V; joint: the same as k"},
      {"to", "element of the output: f16, bf16 or f32; u8 where bytes are copied"},
      {"quant_k", "how K is quantised"},
      {"quant_v", "how V is quantised; joint: the same as quant_k"},
      {"meta", "element of int8's, int4's and turbo's scales and zeros: f16, bf16 or f32"},
      {"dim_k", "head dim of K"},
      {"dim_v", "head dim of V; joint: the same as dim_k"},
      {"page", "rows of a page"},
      {"joint", "V is a prefix of K: only K is copied"},
      {"tail", "output rows after the last sequence"},
      {"table", "element of the page table: i32 or i64"},
      {"lengths", "element of the lengths: i32 or i64"},
      {"starts",
       "first output row of each sequence: given, or the running sum of lengths; indptr: and of the next one"},
      {"offsets", "the first row of a sequence is a token that is given, not token 0"},
      {"align", "what pointers and strides in bytes are multiples of"},
      {"threads", "threads of a block"},
      {"unroll", "accesses in flight, a thread, of each tensor"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

}  // namespace pagejit::flatten
