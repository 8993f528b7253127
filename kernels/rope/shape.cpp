// How the work is dealt out, and what is said and listed of Specs.
#include <fmt/format.h>

#include "kernels/common/rules.h"
#include "kernels/rope/host.h"

namespace pagejit::rope {
namespace {

bool is_fp8(Elem e) {
  return e == Elem::e4m3 || e == Elem::e5m2;
}

std::int64_t heads_of(int part, std::int64_t query_heads, std::int64_t kv_heads) {
  return part == q_rope || part == q_nope ? query_heads : kv_heads;
}

/// Blocks a tile of one token: what a launch of so many heads a thread comes to.
Deal deal_part(const Spec& s, int part, std::int64_t heads, int heads_a_thread) {
  if (dim_of(s, part) == 0 || heads == 0) return {1, 1, 1, 0};
  auto slots = static_cast<std::int64_t>(s.threads / units(s, part));
  std::int64_t of_thread = std::min<std::int64_t>(heads_a_thread, heads_in_flight(s, part));
  std::int64_t splits = ceil_div(heads, slots * of_thread), group = ceil_div(heads, splits);
  std::int64_t pass = ceil_div(group, of_thread);
  auto number = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  return {number(pass), number(pass * of_thread), number(ceil_div(heads, pass * of_thread)), 0};
}

int tokens_of_block(const Spec& s, int part, const Deal& d) {
  return dim_of(s, part) == 0 ? 1 : s.threads / units(s, part) / d.pass;
}

Deals deal_with(const Spec& s, std::int64_t tokens, std::int64_t query_heads, std::int64_t kv_heads, int heads_a_thread,
                int tile) {
  Deals all{1, 0, 0, {}};
  for (int part = 0; part < parts; ++part) {
    Deal& d = all.part[static_cast<std::size_t>(part)];
    d = deal_part(s, part, heads_of(part, query_heads, kv_heads), heads_a_thread);
    all.tile = std::max(all.tile, tokens_of_block(s, part, d));
  }
  // As many tokens as fill the blocks of the part with the fewest heads.
  if (tile > 0) all.tile = tile;
  all.tile = static_cast<std::int32_t>(std::min<std::int64_t>({all.tile, max_tile, tokens}));
  for (int part = 0; part < parts; ++part) {
    Deal& d = all.part[static_cast<std::size_t>(part)];
    bool empty = dim_of(s, part) == 0 || heads_of(part, query_heads, kv_heads) == 0;
    d.blocks = empty ? 0 : ceil_div(all.tile, tokens_of_block(s, part, d)) * d.splits;
    all.tile_blocks += d.blocks;
  }
  all.tiles = ceil_div<std::int64_t>(tokens, all.tile);
  return all;
}

}  // namespace

void check(const Spec& s) {
  check_fields(s);
  need(s.in == Elem::f16 || s.in == Elem::bf16 || s.in == Elem::f32, "in", name_of(s.in), "f16, bf16 or f32");
  for (auto [name, e] : {std::pair("q", s.q), std::pair("kv", s.kv)})
    need(is_fp8(e) || e == s.in, name, name_of(e), fmt::format("e4m3, e5m2, or {} as in", name_of(s.in)));
  need(is_index(s.list), "list", name_of(s.list), "i32 or i64");
  need(is_index(s.pos), "pos", name_of(s.pos), "i32 or i64");
  need(s.rope_dim % 2 == 0, "rope_dim", std::to_string(s.rope_dim), "an even number");
  for (auto [name, dim] :
       {std::pair("rope_dim", s.rope_dim), std::pair("nope_dim", s.nope_dim), std::pair("dim_v", s.dim_v)})
    need(dim <= max_dim, name, std::to_string(dim), fmt::format("at most {}", max_dim));
  for (int part = 0; part < parts; ++part)
    need(dim_of(s, part) == 0 || units(s, part) <= s.threads, "threads", std::to_string(s.threads),
         "threads × the elements of a thread to be at least one head");
}

void choose_block(Spec& s, const Tuning& tuning) {
  s.threads = tuning.threads > 0 ? tuning.threads : 128;
  s.unroll = tuning.unroll > 0 ? tuning.unroll : 4;
  for (int part = 0; part < parts; ++part)
    while (dim_of(s, part) > 0 && units(s, part) > s.threads) s.threads *= 2;
}

Deals deal(const Spec& s, std::int64_t tokens, std::int64_t query_heads, std::int64_t kv_heads, int multiprocessors,
           const Tuning& tuning) {
  // Several heads a thread share its look-ups and its cosines. With few tokens it is better to have them on many
  // multiprocessors, one head a thread: then all of a launch is one wave of loads.
  int heads = tuning.heads > 0 ? tuning.heads : s.unroll;
  Deals all = deal_with(s, tokens, query_heads, kv_heads, heads, tuning.tile);
  std::int64_t enough = std::int64_t{8 * 128} * multiprocessors;  // threads: half of what the chip holds
  while (tuning.heads == 0 && heads > 1 && all.tiles * all.tile_blocks * s.threads < enough) {
    heads /= 2;
    all = deal_with(s, tokens, query_heads, kv_heads, heads, tuning.tile);
  }
  return all;
}

std::string_view summary() {
  return "rotates queries and keys, quantises them, and appends keys and values to a paged cache";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"in", "element of Q, K and V: f16, bf16 or f32"},
      {"q", "element of the query outputs: e4m3, e5m2, or as in (not quantised)"},
      {"kv", "element of K's and V's outputs: e4m3, e5m2, or as in (not quantised)"},
      {"style", "which two elements of a head rotate together"},
      {"rope_dim", "elements of a head that are rotated; even"},
      {"nope_dim", "elements of a head that are not"},
      {"dim_v", "head dim of V; 0: no V"},
      {"into", "K and V go to dense outputs, or to a paged cache, by slot or by sequence and position"},
      {"page", "rows of a page; 1 for dense outputs"},
      {"list", "element of the lists that say where a token goes: i32 or i64"},
      {"pos", "element of pos_ids: i32 or i64"},
      {"padding", "query outputs of a token that is written nowhere"},
      {"settled", "all but Q, K and V may be read before the kernel just before has finished"},
      {"align", "what pointers and strides of inputs are multiples of, in bytes; outputs: of as many elements"},
      {"threads", "threads of a block"},
      {"unroll", "accesses in flight, a thread"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  Spec s;
  s.in = m.elem;
  s.rope_dim = m.rope_dim, s.nope_dim = m.dim_k - m.rope_dim;
  s.dim_v = m.joint ? 0 : m.dim_v;
  if (m.rope_dim < 2 || m.rope_dim % 2 != 0 || s.nope_dim < 0) return all;
  auto add = [&](Into into, int page, Elem list, bool settled, Align align) {
    s.into = into, s.page = page, s.list = list, s.settled = settled, s.align = align;
    choose_block(s);
    all.push_back(s);
  };
  for (Quant quant : m.quants) {
    if (quant != Quant::none && quant != Quant::fp8) continue;  // append writes the other caches
    s.q = s.kv = quant == Quant::fp8 ? m.fp8 : m.elem;
    for (Style style : {Style::neox, Style::interleaved})
      for (Elem pos : m.lengths) {
        s.style = style, s.pos = pos;
        add(Into::dense, 1, Elem::i32, false, Align::a16);
        for (int page : m.pages)
          for (auto [into, list] : {std::pair(Into::batch_pos, Elem::i32), std::pair(Into::slots, Elem::i64)}) {
            for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) add(into, page, list, false, align);
            add(into, page, list, true, Align::a16);
          }
      }
  }
  return all;
}

}  // namespace pagejit::rope
