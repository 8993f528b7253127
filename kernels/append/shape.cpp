// The shape of a launch, the rules of a Spec, and what is said of its fields.
#include <fmt/format.h>

#include <string>

#include "kernels/append/call.h"
#include "kernels/common/rules.h"

namespace pagejit::append {
namespace {

/// One side as the rules and the shape see it.
struct SideOf {
  const char *stored_field, *quant_field, *dim_field;
  Elem stored;
  Quant quant;
  int dim;
};
SideOf side_k(const Spec& s) {
  return {"k", "quant_k", "dim_k", s.k, s.quant_k, s.dim_k};
}
SideOf side_v(const Spec& s) {
  return {"v", "quant_v", "dim_v", s.v, s.quant_v, s.dim_v};
}

/// Rows that fill a block: each thread has eight columns of each field.
int rows_of_block(const Spec& s, const SideOf& side) {
  return row_lanes(side.quant, side.dim).items * (s.threads / 32);
}

void check_side(const Spec& s, const SideOf& side) {
  bool number = elem_set(s.in) & model_floats;
  need(side.quant == Quant::none || number, side.quant_field, name_of(side.quant),
       "none: the input is not f16, bf16 or f32");
  need(stored_elems(side.quant, s.in) & elem_set(side.stored), side.stored_field, name_of(side.stored),
       side.quant == Quant::none ? "in's element, or a float one where that is a float" : "what quant stores");
  int most = by_row(side.quant) ? max_row_dim : max_dim;
  need(side.dim <= most, side.dim_field, std::to_string(side.dim), fmt::format("at most {}", most));
  need(side.dim % per_code(side.quant) == 0, side.dim_field, std::to_string(side.dim),
       "a multiple of the codes in a byte");
  bool power = (side.dim & (side.dim - 1)) == 0;
  need(side.quant < Quant::turbo4 || (power && side.dim <= 512), side.dim_field, std::to_string(side.dim),
       "a power of two, at most 512 (turbo)");
  need(!by_row(side.quant) || (s.items & (s.items - 1)) == 0, "items", std::to_string(s.items), "a power of two");
  need(s.items * side.dim <= 64 * s.threads, "items", std::to_string(s.items),
       fmt::format("at most {}: a thread's registers hold its share", 64 * s.threads / side.dim));
}

}  // namespace

void check(const Spec& s) {
  check_fields(s);
  need(elem_set(s.in) & copied, "in", name_of(s.in), "f16, bf16, f32, e4m3, e5m2 or u8");
  check_side(s, side_k(s));
  if (s.dim_v > 0) check_side(s, side_v(s));
  need(s.quant_k != Quant::turbo2, "quant_k", "turbo2", "another: turbo's K is turbo4");
  need(s.quant_v != Quant::turbo4, "quant_v", "turbo4", "another: turbo's V is turbo2");
  need(elem_set(s.meta) & model_floats, "meta", name_of(s.meta), "f16, bf16 or f32");
  need(is_index(s.table), "table", name_of(s.table), "i32 or i64");
  need(is_index(s.lengths), "lengths", name_of(s.lengths), "i32 or i64");
}

void choose_block(Spec& s, const Tuning& tuning) {
  bool pair = s.dim_v > 0 && s.dim_k < 4 * s.dim_v;
  bool small = by_row(s.quant_k) ? s.quant_k != Quant::turbo4 : pair;  // docs/measured.md
  s.threads = tuning.threads > 0 ? tuning.threads : small ? 128 : 256;
  // Of two sides the one that fills a block with fewer rows decides; the other one leaves threads idle.
  int rows = 0;
  for (const SideOf& side : {side_k(s), side_v(s)})
    if (side.dim > 0 && by_row(side.quant))
      rows = rows == 0 ? rows_of_block(s, side) : std::min(rows, rows_of_block(s, side));
  auto fit = [&](int unroll) {  // items of the side that has fewest
    auto of = [&](const SideOf& side) {
      return s.threads * unroll * vector_elements(s, side.stored, side.dim) / side.dim;
    };
    return s.dim_v > 0 ? std::min(of(side_k(s)), of(side_v(s))) : of(side_k(s));
  };
  auto busy = [&](int unroll) {
    int vec = vector_elements(s, s.k, s.dim_k);
    return 8 * fit(unroll) * s.dim_k >= 7 * s.threads * unroll * vec;
  };
  // One large tensor alone wants two accesses in flight, a pair of them one each unless they are quantised.
  int unroll = pair && s.quant_k == Quant::none ? 1 : 2;
  while (unroll < 4 && !busy(unroll)) unroll *= 2;
  s.items = tuning.items > 0 ? tuning.items : rows > 0 ? rows : std::max(1, fit(unroll));
}

LaunchShape launch_shape(const Spec& s, std::int64_t heads, std::int64_t tokens, std::int64_t batch,
                         int multiprocessors) {
  // In 32 bits, where a division costs half: heads and tokens have been checked to fit.
  auto all_heads = static_cast<unsigned>(heads), all_tokens = static_cast<unsigned>(tokens);
  auto items = static_cast<unsigned>(s.items), threads = static_cast<unsigned>(s.threads);
  unsigned head_blocks = ceil_div(all_heads, std::min(all_heads, items));
  unsigned group = ceil_div(all_heads, head_blocks);
  // Each block of a ragged batch reads all lengths, 32 at a time: with many sequences it pays to look up more tokens at
  // once. So it does where there are K and V, or the look-up would be too many of the block's instructions.
  bool instructions = s.quant_k == Quant::int8 || s.quant_k == Quant::int4;
  unsigned least_tiles = instructions ? 4 : by_row(s.quant_k) || s.threads == 128 ? 2 : 1;
  unsigned one_tile = std::max(1u, items / group),
           tiles = std::max(least_tiles, static_cast<unsigned>((batch + 31) / 256));
  unsigned most = std::min(threads, one_tile * std::min(tiles, threads));  // a thread a token
  unsigned blocks_wanted = std::max(1u, static_cast<unsigned>(multiprocessors) / head_blocks);
  unsigned rows = std::clamp(ceil_div(all_tokens, blocks_wanted), 1u, most);
  return {static_cast<std::int32_t>(group), static_cast<std::int32_t>(rows), ceil_div(all_tokens, rows), head_blocks};
}

std::string_view summary() {
  return "writes the rows of new tokens into a paged cache, quantised on the way";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"in", "element of the new rows: f16, bf16, f32; copied as they are also e4m3, e5m2, u8"},
      {"k", "stored element of K"},
      {"v", "stored element of V"},
      {"quant_k", "how K is quantised"},
      {"quant_v", "how V is quantised"},
      {"dim_k", "head dim of K; MLA: of the latent part"},
      {"dim_v", "head dim of V; MLA: of the rope part; 0: no V"},
      {"meta", "element of scales and zeros that are in the model's type: f16, bf16 or f32"},
      {"scale_rule", "how a group's scale follows from its largest magnitude"},
      {"power_of_two", "scales of groups are rounded up to a power of two"},
      {"page", "rows of a page"},
      {"where", "how a token's place is said"},
      {"table", "element of page ids or slots: i32 or i64"},
      {"lengths", "element of the ragged form's lengths: i32 or i64"},
      {"starts", "first token of each sequence: given, the running sum of lengths, or one indptr"},
      {"align", "what pointers and strides in bytes are multiples of"},
      {"threads", "threads of a block"},
      {"items", "rows of one head that a block has under way at once"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

}  // namespace pagejit::append
