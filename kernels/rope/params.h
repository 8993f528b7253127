// What may change between two launches of rope.
#pragma once
#include <cstdint>
#include <tuple>

#include "runtime/base/device_ptr.h"
#include "runtime/base/fields.h"

namespace pagejit::rope {

/// Strides are in elements; the last one of each tensor is 1. R, N, D: rope_dim, nope_dim, dim_v.
struct Params {
  // Inputs: [tokens, heads, R | N | D] at strides …_token, …_head.
  DevicePtr q_rope, q_nope, k_rope, k_nope, v;
  // Query outputs, at strides …_token, …_head; K's and V's at …_page, …_row, …_head. Dense ones: a page a token.
  DevicePtr q_rope_out, q_nope_out, k_rope_out, k_nope_out, v_out;
  DevicePtr pos_ids;  // [tokens]
  DevicePtr table;    // [positions, R] f32, rows table_row apart: R/2 cosines, then R/2 sines
  // Where a token goes (kernels/common/destination.h). valid: one number, or null.
  DevicePtr slots, batch, position, indptr, indices, valid;
  DevicePtr scale_q_at, scale_kv_at;  // one f32 each, or null: scale_q, scale_kv
  std::int64_t q_rope_token, q_rope_head, q_nope_token, q_nope_head;
  std::int64_t k_rope_token, k_rope_head, k_nope_token, k_nope_head, v_token, v_head;
  std::int64_t q_rope_out_token, q_rope_out_head, q_nope_out_token, q_nope_out_head;
  std::int64_t k_rope_out_page, k_rope_out_row, k_rope_out_head;
  std::int64_t k_nope_out_page, k_nope_out_row, k_nope_out_head;
  std::int64_t v_out_page, v_out_row, v_out_head;
  std::int64_t table_row;
  // How the work is dealt out (Deal in host.h). A magic number divides by a multiplication.
  std::int64_t tile_magic;
  std::int64_t q_rope_split_magic, q_nope_split_magic, k_rope_split_magic, k_nope_split_magic, v_split_magic;
  std::int64_t q_rope_pass_magic, q_nope_pass_magic, k_rope_pass_magic, k_nope_pass_magic, v_pass_magic;
  float scale_q, scale_kv;
  std::int32_t tokens, query_heads, kv_heads;
  std::int32_t tile, tile_blocks, tile_shift;
  std::int32_t q_rope_blocks, q_nope_blocks, k_rope_blocks, k_nope_blocks, v_blocks;
  std::int32_t q_rope_splits, q_nope_splits, k_rope_splits, k_nope_splits, v_splits;
  std::int32_t q_rope_pass, q_nope_pass, k_rope_pass, k_nope_pass, v_pass;
  std::int32_t q_rope_group, q_nope_group, k_rope_group, k_nope_group, v_group;

  static constexpr auto fields() {
    return std::tuple{field<&Params::q_rope>("q_rope"),
                      field<&Params::q_nope>("q_nope"),
                      field<&Params::k_rope>("k_rope"),
                      field<&Params::k_nope>("k_nope"),
                      field<&Params::v>("v"),
                      field<&Params::q_rope_out>("q_rope_out"),
                      field<&Params::q_nope_out>("q_nope_out"),
                      field<&Params::k_rope_out>("k_rope_out"),
                      field<&Params::k_nope_out>("k_nope_out"),
                      field<&Params::v_out>("v_out"),
                      field<&Params::pos_ids>("pos_ids"),
                      field<&Params::table>("table"),
                      field<&Params::slots>("slots"),
                      field<&Params::batch>("batch"),
                      field<&Params::position>("position"),
                      field<&Params::indptr>("indptr"),
                      field<&Params::indices>("indices"),
                      field<&Params::valid>("valid"),
                      field<&Params::scale_q_at>("scale_q_at"),
                      field<&Params::scale_kv_at>("scale_kv_at"),
                      field<&Params::q_rope_token>("q_rope_token"),
                      field<&Params::q_rope_head>("q_rope_head"),
                      field<&Params::q_nope_token>("q_nope_token"),
                      field<&Params::q_nope_head>("q_nope_head"),
                      field<&Params::k_rope_token>("k_rope_token"),
                      field<&Params::k_rope_head>("k_rope_head"),
                      field<&Params::k_nope_token>("k_nope_token"),
                      field<&Params::k_nope_head>("k_nope_head"),
                      field<&Params::v_token>("v_token"),
                      field<&Params::v_head>("v_head"),
                      field<&Params::q_rope_out_token>("q_rope_out_token"),
                      field<&Params::q_rope_out_head>("q_rope_out_head"),
                      field<&Params::q_nope_out_token>("q_nope_out_token"),
                      field<&Params::q_nope_out_head>("q_nope_out_head"),
                      field<&Params::k_rope_out_page>("k_rope_out_page"),
                      field<&Params::k_rope_out_row>("k_rope_out_row"),
                      field<&Params::k_rope_out_head>("k_rope_out_head"),
                      field<&Params::k_nope_out_page>("k_nope_out_page"),
                      field<&Params::k_nope_out_row>("k_nope_out_row"),
                      field<&Params::k_nope_out_head>("k_nope_out_head"),
                      field<&Params::v_out_page>("v_out_page"),
                      field<&Params::v_out_row>("v_out_row"),
                      field<&Params::v_out_head>("v_out_head"),
                      field<&Params::table_row>("table_row"),
                      field<&Params::tile_magic>("tile_magic"),
                      field<&Params::q_rope_split_magic>("q_rope_split_magic"),
                      field<&Params::q_nope_split_magic>("q_nope_split_magic"),
                      field<&Params::k_rope_split_magic>("k_rope_split_magic"),
                      field<&Params::k_nope_split_magic>("k_nope_split_magic"),
                      field<&Params::v_split_magic>("v_split_magic"),
                      field<&Params::q_rope_pass_magic>("q_rope_pass_magic"),
                      field<&Params::q_nope_pass_magic>("q_nope_pass_magic"),
                      field<&Params::k_rope_pass_magic>("k_rope_pass_magic"),
                      field<&Params::k_nope_pass_magic>("k_nope_pass_magic"),
                      field<&Params::v_pass_magic>("v_pass_magic"),
                      field<&Params::scale_q>("scale_q"),
                      field<&Params::scale_kv>("scale_kv"),
                      field<&Params::tokens>("tokens"),
                      field<&Params::query_heads>("query_heads"),
                      field<&Params::kv_heads>("kv_heads"),
                      field<&Params::tile>("tile"),
                      field<&Params::tile_blocks>("tile_blocks"),
                      field<&Params::tile_shift>("tile_shift"),
                      field<&Params::q_rope_blocks>("q_rope_blocks"),
                      field<&Params::q_nope_blocks>("q_nope_blocks"),
                      field<&Params::k_rope_blocks>("k_rope_blocks"),
                      field<&Params::k_nope_blocks>("k_nope_blocks"),
                      field<&Params::v_blocks>("v_blocks"),
                      field<&Params::q_rope_splits>("q_rope_splits"),
                      field<&Params::q_nope_splits>("q_nope_splits"),
                      field<&Params::k_rope_splits>("k_rope_splits"),
                      field<&Params::k_nope_splits>("k_nope_splits"),
                      field<&Params::v_splits>("v_splits"),
                      field<&Params::q_rope_pass>("q_rope_pass"),
                      field<&Params::q_nope_pass>("q_nope_pass"),
                      field<&Params::k_rope_pass>("k_rope_pass"),
                      field<&Params::k_nope_pass>("k_nope_pass"),
                      field<&Params::v_pass>("v_pass"),
                      field<&Params::q_rope_group>("q_rope_group"),
                      field<&Params::q_nope_group>("q_nope_group"),
                      field<&Params::k_rope_group>("k_rope_group"),
                      field<&Params::k_nope_group>("k_nope_group"),
                      field<&Params::v_group>("v_group")};
  }
};

}  // namespace pagejit::rope
