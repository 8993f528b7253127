// Which Specs make sense: rules that span fields, a sentence each.
#include <fmt/format.h>

#include "kernels/common/rules.h"
#include "kernels/flatten/host.h"

namespace pagejit::flatten {
namespace {

bool is_turbo(Quant q) {
  return q == Quant::turbo4 || q == Quant::turbo2;
}

void check_stored(const SideSpec& side, std::string_view field) {
  Elem e = side.stored;
  switch (side.quant) {
    case Quant::none:
      return need(is_model_float(e) || e == Elem::u8, field, name_of(e), "f16, bf16 or f32, or u8 for any bytes");
    case Quant::fp8:
      return need(e == Elem::e4m3 || e == Elem::e5m2, field, name_of(e), "e4m3 or e5m2 where the side is in fp8");
    case Quant::fp8_group:
      return need(e == Elem::e4m3, field, name_of(e), "e4m3 where the side is in fp8_group");
    default:
      return need(e == Elem::u8, field, name_of(e), fmt::format("u8 where the side is in {}", name_of(side.quant)));
  }
}

void check_dim(const SideSpec& side, std::string_view field) {
  std::string dim = std::to_string(side.dim);
  need(side.dim <= max_dim, field, dim, fmt::format("at most {}", max_dim));
  need(side.dim % per_code(side.quant) == 0, field, dim,
       fmt::format("a multiple of {}: so many codes are in a byte", per_code(side.quant)));
  need(!is_turbo(side.quant) || (side.dim & (side.dim - 1)) == 0, field, dim, "a power of two: the rows are rotated");
}

/// Bytes are copied to bytes, on both sides; anything else becomes a float.
void check_output(const Spec& s) {
  auto raw = [](const SideSpec& side) { return side.quant == Quant::none && side.stored == Elem::u8; };
  bool bytes = raw(k_side(s)) || raw(v_side(s)), both = raw(k_side(s)) && raw(v_side(s));
  if (bytes || s.to == Elem::u8)
    return need(s.to == Elem::u8 && both, "to", name_of(s.to), "u8, and so k and v: bytes are copied");
  need(is_model_float(s.to), "to", name_of(s.to), "f16, bf16 or f32");
}

void check_pairs(const Spec& s) {
  need(s.quant_k != Quant::turbo2, "quant_k", name_of(s.quant_k), "another one: turbo2 is of V");
  need(s.joint || s.quant_v != Quant::turbo4, "quant_v", name_of(s.quant_v), "another one: turbo4 is of K");
  if (!s.joint) return;
  need(s.quant_k != Quant::turbo4, "quant_k", name_of(s.quant_k), "another one: in turbo V is no part of K (joint)");
  need(s.v == s.k, "v", name_of(s.v), fmt::format("{}, as k: V is a part of K (joint)", name_of(s.k)));
  need(s.quant_v == s.quant_k, "quant_v", name_of(s.quant_v),
       fmt::format("{}, as quant_k: V is a part of K (joint)", name_of(s.quant_k)));
  need(s.dim_v == s.dim_k, "dim_v", std::to_string(s.dim_v),
       fmt::format("{}, as dim_k: V is a part of K (joint)", s.dim_k));
}

}  // namespace

void check(const Spec& s) {
  check_fields(s);
  check_stored(k_side(s), "k");
  check_stored(v_side(s), "v");
  check_output(s);
  check_dim(k_side(s), "dim_k");
  check_dim(v_side(s), "dim_v");
  check_pairs(s);
  bool has_meta = model_metadata(s.quant_k) || model_metadata(s.quant_v);
  need(has_meta ? is_model_float(s.meta) : s.meta == Elem::f16, "meta", name_of(s.meta),
       has_meta ? "f16, bf16 or f32" : "f16: nothing is in int8, int4 or turbo");
  need(is_index(s.table), "table", name_of(s.table), "i32 or i64");
  need(is_index(s.lengths), "lengths", name_of(s.lengths), "i32 or i64");
  need(s.starts != Starts::indptr || s.lengths == Elem::i32, "lengths", name_of(s.lengths),
       "i32 where starts is indptr: lengths are not read");
  need(items(s) >= 1, "threads", std::to_string(s.threads),
       "threads × unroll × the elements of an access to be at least one head dim");
}

}  // namespace pagejit::flatten
