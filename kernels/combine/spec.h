// The parts of sequences that attention left, put together: what is compiled (Spec) and what is launched (Params).
#pragma once
#include <cstdint>
#include <string_view>
#include <tuple>

#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::combine {

/// All but `parts`, `rows` and `elem` must be what attention was compiled with.
struct Spec {
  Elem to = Elem::bf16;  // output: f16, bf16
  int dim = 128;         // of V
  Elem lengths = Elem::i32;
  bool ragged = false, window = false, sinks = false, lse = false;
  int group = 4;                  // query heads of a KV head
  int team_rows = 16, keys = 32;  // attention's rows and keys
  int parts = 16;                 // parts of a row that a block adds up at once
  int rows = 8;                   // rows of a block
  int columns = 16;               // elements of each of them
  int along = 1;                  // warps that share the parts of a row

  static constexpr auto fields() {
    return std::tuple{field<&Spec::to>("to"),
                      field<&Spec::dim>("dim", AtLeast{1}),
                      field<&Spec::lengths>("lengths"),
                      field<&Spec::ragged>("ragged"),
                      field<&Spec::window>("window"),
                      field<&Spec::sinks>("sinks"),
                      field<&Spec::lse>("lse"),
                      field<&Spec::group>("group", AtLeast{1}),
                      field<&Spec::team_rows>("team_rows", OneOf{8, 16, 32, 64, 128}),
                      field<&Spec::keys>("keys", OneOf{16, 32, 64, 128}),
                      field<&Spec::parts>("parts", OneOf{1, 2, 4, 8, 16, 32, 64}),
                      field<&Spec::rows>("rows", OneOf{1, 2, 4, 8, 16}),
                      field<&Spec::columns>("columns", OneOf{1, 2, 4, 8, 16, 32, 64, 128}),
                      field<&Spec::along>("along", OneOf{1, 2, 4, 8})};
  }
  bool operator==(const Spec&) const = default;
};

/// Blocks that share a row.
constexpr int blocks_of_a_row(const Spec& s) {
  return (s.dim + s.columns - 1) / s.columns;
}

/// Rules that span fields; throws Error(argument).
void check(const Spec& s);

/// As in attend::Params.
struct Params {
  DevicePtr partial;      // [parts, 2, row tiles, KV heads, team_rows, dim] f32, each part divided by its own sum
  DevicePtr partial_lse;  // the same but for dim: log2 of those sums
  DevicePtr out, lse, sinks, lengths, indptr;
  std::int64_t out_token, out_head, lse_token, lse_head;
  std::int32_t batch, queries, kv_heads, row_tiles;
  std::int32_t parts, least, left;
  std::int32_t groups, turns;  // a sequence's rows go to so many groups of blocks, each of which takes `turns` · rows
  std::int32_t empty_lse_pos_inf;

  static constexpr auto fields() {
    return std::tuple{field<&Params::partial>("partial"),
                      field<&Params::partial_lse>("partial_lse"),
                      field<&Params::out>("out"),
                      field<&Params::lse>("lse"),
                      field<&Params::sinks>("sinks"),
                      field<&Params::lengths>("lengths"),
                      field<&Params::indptr>("indptr"),
                      field<&Params::out_token>("out_token"),
                      field<&Params::out_head>("out_head"),
                      field<&Params::lse_token>("lse_token"),
                      field<&Params::lse_head>("lse_head"),
                      field<&Params::batch>("batch"),
                      field<&Params::queries>("queries"),
                      field<&Params::kv_heads>("kv_heads"),
                      field<&Params::row_tiles>("row_tiles"),
                      field<&Params::parts>("parts"),
                      field<&Params::least>("least"),
                      field<&Params::left>("left"),
                      field<&Params::groups>("groups"),
                      field<&Params::turns>("turns"),
                      field<&Params::empty_lse_pos_inf>("empty_lse_pos_inf")};
  }
};

}  // namespace pagejit::combine
