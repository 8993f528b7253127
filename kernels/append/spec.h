// Writers of paged caches: what is compiled (Spec), what is launched (Params), and how a block's work is shaped.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "kernels/common/align.h"
#include "kernels/common/quant.h"
#include "kernels/common/where.h"
#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::append {

/// Where the first token of each sequence comes from, for Where::ragged.
enum class Starts : unsigned char { computed, given, indptr };
constexpr auto enum_names(Starts) {
  return std::array<std::pair<Starts, std::string_view>, 3>{
      {{Starts::computed, "computed"}, {Starts::given, "given"}, {Starts::indptr, "indptr"}}};
}

/// K and V have a side each. A layout is strides: NHD, HND, joint rows, rows with their scales inside are one kernel.
struct Spec {
  Elem in = Elem::bf16;                 // of both inputs
  Elem k = Elem::bf16, v = Elem::bf16;  // as stored
  Quant quant_k = Quant::none, quant_v = Quant::none;
  int dim_k = 128, dim_v = 128;  // of the inputs; dim_v = 0: no V
  Elem meta = Elem::f16;         // of int8's, int4's and turbo's scales; else f32
  ScaleRule scale_rule = ScaleRule::blocked;
  bool power_of_two = false;
  int page = 64;  // rows
  Where where = Where::ragged;
  Elem table = Elem::i32;    // page ids, or slots
  Elem lengths = Elem::i32;  // of the ragged form
  Starts starts = Starts::given;
  Align align = Align::a16;
  int threads = 256;  // a block
  int items = 16;     // rows of one head that a block has under way at once

  static constexpr auto fields() {
    return std::tuple{field<&Spec::in>("in"),
                      field<&Spec::k>("k"),
                      field<&Spec::v>("v"),
                      field<&Spec::quant_k>("quant_k"),
                      field<&Spec::quant_v>("quant_v"),
                      field<&Spec::dim_k>("dim_k", AtLeast{1}),
                      field<&Spec::dim_v>("dim_v", AtLeast{0}),
                      field<&Spec::meta>("meta"),
                      field<&Spec::scale_rule>("scale_rule"),
                      field<&Spec::power_of_two>("power_of_two"),
                      field<&Spec::page>("page", AtLeast{1}),
                      field<&Spec::where>("where"),
                      field<&Spec::table>("table"),
                      field<&Spec::lengths>("lengths"),
                      field<&Spec::starts>("starts"),
                      field<&Spec::align>("align"),
                      field<&Spec::threads>("threads", OneOf{128, 256, 512}),
                      field<&Spec::items>("items", AtLeast{1})};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument). In shape.cpp.
void check(const Spec& s);

/// For tools that look for better numbers; 0 leaves a choice to pagejit. None of them changes a result.
struct Tuning {
  int threads = 0, items = 0;  // of the Spec
};

/// Everything that may change between two launches. Strides are in elements of their tensor; the last one of each is 1.
struct Params {
  DevicePtr k_in, v_in;        // [tokens, heads, dim]
  DevicePtr k_cache, v_cache;  // [pages, page, heads, codes]
  DevicePtr k_meta, v_meta;    // [pages, page, heads, numbers]; Quant::fp8: one f32 a head
  DevicePtr table;             // ragged: page ids [batch, …]; batch_pos: kv_indices; slots: the slots
  DevicePtr lengths;           // ragged: q_lengths; batch_pos: batch_indices
  DevicePtr kv_lengths;        // ragged: kv_lengths; batch_pos: positions
  DevicePtr starts;            // ragged: q_start_loc or q_indptr; batch_pos: kv_indptr
  DevicePtr valid;             // one i32 that bounds the tokens, or null
  std::int64_t k_in_token, k_in_head, k_page, k_row, k_head, k_meta_page, k_meta_row, k_meta_head;
  std::int64_t v_in_token, v_in_head, v_page, v_row, v_head, v_meta_page, v_meta_row, v_meta_head;
  std::int64_t table_row;
  std::int64_t magic;  // ceil(2^32 / group): item · magic >> 32 is item div group, for 16-bit numbers
  std::int32_t tokens, heads, batch;
  std::int32_t settled;
  std::int32_t rows, group;  // tokens (≤ threads) and heads of a block's share: any number of items

  static constexpr auto fields() {
    return std::tuple{field<&Params::k_in>("k_in"),
                      field<&Params::v_in>("v_in"),
                      field<&Params::k_cache>("k_cache"),
                      field<&Params::v_cache>("v_cache"),
                      field<&Params::k_meta>("k_meta"),
                      field<&Params::v_meta>("v_meta"),
                      field<&Params::table>("table"),
                      field<&Params::lengths>("lengths"),
                      field<&Params::kv_lengths>("kv_lengths"),
                      field<&Params::starts>("starts"),
                      field<&Params::valid>("valid"),
                      field<&Params::k_in_token>("k_in_token"),
                      field<&Params::k_in_head>("k_in_head"),
                      field<&Params::k_page>("k_page"),
                      field<&Params::k_row>("k_row"),
                      field<&Params::k_head>("k_head"),
                      field<&Params::k_meta_page>("k_meta_page"),
                      field<&Params::k_meta_row>("k_meta_row"),
                      field<&Params::k_meta_head>("k_meta_head"),
                      field<&Params::v_in_token>("v_in_token"),
                      field<&Params::v_in_head>("v_in_head"),
                      field<&Params::v_page>("v_page"),
                      field<&Params::v_row>("v_row"),
                      field<&Params::v_head>("v_head"),
                      field<&Params::v_meta_page>("v_meta_page"),
                      field<&Params::v_meta_row>("v_meta_row"),
                      field<&Params::v_meta_head>("v_meta_head"),
                      field<&Params::table_row>("table_row"),
                      field<&Params::magic>("magic"),
                      field<&Params::tokens>("tokens"),
                      field<&Params::heads>("heads"),
                      field<&Params::batch>("batch"),
                      field<&Params::settled>("settled"),
                      field<&Params::rows>("rows"),
                      field<&Params::group>("group")};
  }
};

/// Whether a row's codes need the whole row first; else any stretch of elements is stored by itself.
constexpr bool by_row(Quant q) {
  return q >= Quant::fp8_group;
}

/// A row of a quantiser lies in a tile as [fields, columns]: element field · width + column. What is packed into one
/// byte, or each group of a scale, is a field.
constexpr int row_fields(Quant q, int dim) {
  return q == Quant::fp8_group ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(metadata(q, dim)))) : per_code(q);
}
constexpr int row_width(Quant q, int dim) {
  return q == Quant::fp8_group ? std::min(dim, group_size) : dim / per_code(q);
}
constexpr int row_columns(Quant q, int dim) {
  return static_cast<int>(std::bit_ceil(static_cast<unsigned>(row_width(q, dim))));
}

/// Lanes that share a row: eight columns each, so that a reduction crosses as few as can be. Of long rows, and of
/// turbo's, twice as many: what a thread computes once, addresses above all, then serves more elements. (Not of int4's:
/// they gain as much, but spill where nothing is aligned.)
struct RowLanes {
  int vec, columns, fields, items;  // the last three multiply to 32
};
constexpr RowLanes row_lanes(Quant q, int dim) {
  int wide = row_columns(q, dim), vec = std::min(8, wide), columns = std::min(32, wide / vec);
  bool longer = q >= Quant::turbo4 ? wide >= group_size / 2 : per_code(q) == 1 && wide >= group_size;
  if (longer) columns = std::min(32, wide / (2 * vec));
  int fields = q == Quant::fp8_group ? std::min(32 / columns, row_fields(q, dim)) : 1;
  return {vec, columns, fields, 32 / (columns * fields)};
}

/// Elements that one access of a side that needs no whole row moves: at most 16 bytes of the wider type.
constexpr int vector_elements(const Spec& s, Elem stored, int dim) {
  int widest = std::max(bytes(s.in), bytes(stored)), vec = std::max(1, promised_bytes(s.align, s.in) / widest);
  while (dim % vec != 0) vec /= 2;
  return vec;
}

/// What is promised of a cache and its strides, in bytes: no more than an access of it needs, so that codes half as
/// wide as the input may lie half as well.
constexpr int enough_bytes(Elem in, Quant q, Elem stored) {
  return by_row(q) ? 8 : 16 * bytes(stored) / std::max(bytes(in), bytes(stored));
}
constexpr int promised_of_cache(const Spec& s, Quant q, Elem stored) {
  return std::min(promised_bytes(s.align, stored), std::max(enough_bytes(s.in, q, stored), bytes(stored)));
}

constexpr int max_dim = 4096;      // elements of a head
constexpr int max_row_dim = 1024;  // of one whose codes need the whole row
/// Tokens are numbered in 31 bits; a block may look one block past the last.
constexpr std::int64_t max_tokens = (std::int64_t{1} << 31) - 4096;

}  // namespace pagejit::append
