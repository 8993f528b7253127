// Attention over a paged cache: what is compiled (Spec) and what is launched (Params).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/common/align.h"
#include "kernels/common/quant.h"
#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"
#include "runtime/base/tensor_map.h"

namespace pagejit::attend {

/// The cache's layout is not here, nor is what changes between two steps: batch, lengths, how many queries a sequence
/// has, window sizes, scales.
struct Spec {
  Elem q = Elem::bf16;        // queries and output: f16, bf16
  Elem k = Elem::bf16;        // stored elements of K: q's, or e4m3, e5m2, u8 where quantised
  Elem v = Elem::bf16;        // of V
  Quant quant = Quant::none;  // none, fp8, int8, int4
  Elem meta = Elem::f16;      // of int8's and int4's scales and zeros: f16, bf16, f32
  int dim_k = 128;
  int dim_v = 128;
  int page = 64;             // rows
  bool joint = false;        // V is the first dim_v elements of K's rows
  int group = 4;             // query heads that share a KV head
  Elem table = Elem::i32;    // i32, i64
  Elem lengths = Elem::i32;  // i32, i64
  bool ragged = false;       // the first query of each sequence is given; else all have equally many
  bool window = false;       // keys too far before a query are not seen
  bool softcap = false;      // scores are cap · tanh(score / cap)
  bool sinks = false;        // each head has one more logit, without a value
  bool alibi = false;        // scores fall with distance, by a slope for each head
  bool lse = false;          // the log of each row's sum is written too
  Align align = Align::a16;

  // How a team works: what is fastest depends on the shapes above, results depend on rows, keys and warps.
  int rows = 16;      // query rows (tokens · heads of a group) of a team
  int keys = 32;      // of a turn
  int stages = 3;     // turns whose keys are under way or in use
  int down = 1;       // warps of a team, along rows
  int across = 1;     // and along keys (scores) and V's elements (output)
  int teams = 4;      // of a block
  bool bulk = false;  // the copy engine brings rows (sm_90 and later), not threads

  static constexpr auto fields() {
    return std::tuple{field<&Spec::q>("q"),
                      field<&Spec::k>("k"),
                      field<&Spec::v>("v"),
                      field<&Spec::quant>("quant"),
                      field<&Spec::meta>("meta"),
                      field<&Spec::dim_k>("dim_k", AtLeast{1}),
                      field<&Spec::dim_v>("dim_v", AtLeast{1}),
                      field<&Spec::page>("page", AtLeast{1}),
                      field<&Spec::joint>("joint"),
                      field<&Spec::group>("group", AtLeast{1}),
                      field<&Spec::table>("table"),
                      field<&Spec::lengths>("lengths"),
                      field<&Spec::ragged>("ragged"),
                      field<&Spec::window>("window"),
                      field<&Spec::softcap>("softcap"),
                      field<&Spec::sinks>("sinks"),
                      field<&Spec::alibi>("alibi"),
                      field<&Spec::lse>("lse"),
                      field<&Spec::align>("align"),
                      field<&Spec::rows>("rows", OneOf{8, 16, 32, 64, 128}),
                      field<&Spec::keys>("keys", OneOf{16, 32, 64, 128}),
                      field<&Spec::stages>("stages", OneOf{2, 3, 4, 5, 6, 8}),
                      field<&Spec::down>("down", OneOf{1, 2, 4, 8}),
                      field<&Spec::across>("across", OneOf{1, 2, 4, 8}),
                      field<&Spec::teams>("teams", OneOf{1, 2, 4, 8, 16}),
                      field<&Spec::bulk>("bulk")};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument).
void check(const Spec& s);

/// Whether warps split the dims of scores among themselves, in two groups that take turns (template_split.h).
bool splits_dims(const Spec& s);

/// A stretch of a row that is a power of two long; the last one may reach past the row.
struct Piece {
  int first, size;
};
/// `dim` elements from `from` on as pieces of at least 16: 576 is 512 and 64, 80 is 64 and 16.
std::vector<Piece> pieces(int from, int dim);

/// Rows that one copy of the copy engine brings: neighbours that surely share a page.
int box_rows(const Spec& s);
/// Whether one copy brings all keys of a turn.
bool whole_boxes(const Spec& s);
/// Where splits_dims(): of how many times 64 dims queries stay in registers.
int held_blocks(const Spec& s);

/// Everything that may change between two launches. Strides are in elements; the last one of each tensor is 1.
struct Params {
  TensorMap k_map, v_map;          // bulk: k_cache and v_cache, by [dim, row, head, page, block of dims]
  DevicePtr q;                     // [tokens, heads, dim_k]
  DevicePtr k_cache;               // [pages, page, kv heads, dim_k]
  DevicePtr v_cache;               // [pages, page, kv heads, dim_v]; joint: not read
  DevicePtr out;                   // [tokens, heads, dim_v]
  DevicePtr lse;                   // [tokens, heads] f32: natural logs
  DevicePtr table;                 // [batch, …] page ids
  DevicePtr lengths;               // [batch]
  DevicePtr indptr;                // [batch + 1] i32: first query of each sequence
  DevicePtr sinks;                 // [heads] f32
  DevicePtr slopes;                // [heads] f32
  DevicePtr k_scales, v_scales;    // fp8: one f32 or one a KV head; int8, int4: a pair for each page, row and head
  DevicePtr partial, partial_lse;  // f32: what parts of sequences came to; lse in powers of two
  std::int64_t q_token, q_head, out_token, out_head, lse_token, lse_head;
  std::int64_t k_page, k_row, k_head, v_page, v_row, v_head;
  std::int64_t k_scales_page, k_scales_row, k_scales_head, v_scales_page, v_scales_row, v_scales_head;
  std::int64_t table_row, table_entries;  // entries from the first one to the last, gaps between rows among them
  float scale;                            // of scores, times log2(e)
  float cap, inv_cap;                     // soft-cap times log2(e), and 2 · scale / cap · log2(e): see template
  std::int32_t batch, queries, kv_heads, row_tiles;
  std::int32_t parts, least;  // see kernels/common/split_plan.h
  std::int32_t left, right;   // how far a query sees to either side of its own key
  std::int32_t empty_lse_pos_inf;
  std::int32_t settled;  // the lists are not the work of the kernel just before: read them at once

  static constexpr auto fields() {
    return std::tuple{field<&Params::k_map>("k_map"),
                      field<&Params::v_map>("v_map"),
                      field<&Params::q>("q"),
                      field<&Params::k_cache>("k_cache"),
                      field<&Params::v_cache>("v_cache"),
                      field<&Params::out>("out"),
                      field<&Params::lse>("lse"),
                      field<&Params::table>("table"),
                      field<&Params::lengths>("lengths"),
                      field<&Params::indptr>("indptr"),
                      field<&Params::sinks>("sinks"),
                      field<&Params::slopes>("slopes"),
                      field<&Params::k_scales>("k_scales"),
                      field<&Params::v_scales>("v_scales"),
                      field<&Params::partial>("partial"),
                      field<&Params::partial_lse>("partial_lse"),
                      field<&Params::q_token>("q_token"),
                      field<&Params::q_head>("q_head"),
                      field<&Params::out_token>("out_token"),
                      field<&Params::out_head>("out_head"),
                      field<&Params::lse_token>("lse_token"),
                      field<&Params::lse_head>("lse_head"),
                      field<&Params::k_page>("k_page"),
                      field<&Params::k_row>("k_row"),
                      field<&Params::k_head>("k_head"),
                      field<&Params::v_page>("v_page"),
                      field<&Params::v_row>("v_row"),
                      field<&Params::v_head>("v_head"),
                      field<&Params::k_scales_page>("k_scales_page"),
                      field<&Params::k_scales_row>("k_scales_row"),
                      field<&Params::k_scales_head>("k_scales_head"),
                      field<&Params::v_scales_page>("v_scales_page"),
                      field<&Params::v_scales_row>("v_scales_row"),
                      field<&Params::v_scales_head>("v_scales_head"),
                      field<&Params::table_row>("table_row"),
                      field<&Params::table_entries>("table_entries"),
                      field<&Params::scale>("scale"),
                      field<&Params::cap>("cap"),
                      field<&Params::inv_cap>("inv_cap"),
                      field<&Params::batch>("batch"),
                      field<&Params::queries>("queries"),
                      field<&Params::kv_heads>("kv_heads"),
                      field<&Params::row_tiles>("row_tiles"),
                      field<&Params::parts>("parts"),
                      field<&Params::least>("least"),
                      field<&Params::left>("left"),
                      field<&Params::right>("right"),
                      field<&Params::empty_lse_pos_inf>("empty_lse_pos_inf"),
                      field<&Params::settled>("settled")};
  }
};

}  // namespace pagejit::attend
