// The names of rope's arguments, and the checks that its dense and its paged calls share.
#pragma once
#include <fmt/format.h>

#include "kernels/common/check.h"
#include "kernels/rope/host.h"
#include "kernels/rope/views.h"

namespace pagejit::rope {

inline constexpr unsigned floats = elem_set(Elem::f16, Elem::bf16, Elem::f32), fp8s = elem_set(Elem::e4m3, Elem::e5m2),
                          integers = elem_set(Elem::i32, Elem::i64);

inline constexpr Expected q_rope_names{"q_rope", "[tokens, query_heads, R]", 3, floats};
inline constexpr Expected q_nope_names{"q_nope", "[tokens, query_heads, N]", 3, floats};
inline constexpr Expected k_rope_names{"k_rope", "[tokens, kv_heads, R]", 3, floats};
inline constexpr Expected k_nope_names{"k_nope", "[tokens, kv_heads, N]", 3, floats};
inline constexpr Expected v_names{"v", "[tokens, kv_heads, D]", 3, floats};
inline constexpr Expected q_rope_out_names{"q_rope_out", "[tokens, query_heads, R]", 3, floats | fp8s};
inline constexpr Expected q_nope_out_names{"q_nope_out", "[tokens, query_heads, N]", 3, floats | fp8s};
inline constexpr Expected k_rope_out_names{"k_rope_out", "[tokens, kv_heads, R]", 3, floats | fp8s};
inline constexpr Expected k_nope_out_names{"k_nope_out", "[tokens, kv_heads, N]", 3, floats | fp8s};
inline constexpr Expected v_out_names{"v_out", "[tokens, kv_heads, D]", 3, floats | fp8s};
inline constexpr Expected table_names{"cos_sin_cache", "[positions, R]", 2, elem_set(Elem::f32)};
inline constexpr Expected pos_names{"pos_ids", "[tokens]", 1, integers};
inline constexpr Expected scale_q_names{"scale_q_device", "[1]", 1, elem_set(Elem::f32)};
inline constexpr Expected scale_kv_names{"scale_kv_device", "[1]", 1, elem_set(Elem::f32)};
inline constexpr Expected k_cache_nhd{"k_cache", "[pages, page, heads, dim]", 4, floats | fp8s};
inline constexpr Expected k_cache_hnd{"k_cache", "[pages, heads, page, dim]", 4, floats | fp8s};
inline constexpr Expected v_cache_nhd{"v_cache", "[pages, page, heads, dim]", 4, floats | fp8s};
inline constexpr Expected v_cache_hnd{"v_cache", "[pages, heads, page, dim]", 4, floats | fp8s};
inline constexpr Expected ckv_names{"ckv_cache", "[pages, page, N]", 3, floats | fp8s};
inline constexpr Expected kpe_names{"kpe_cache", "[pages, page, R]", 3, floats | fp8s};
inline constexpr Expected slots_names{"slots", "[tokens]", 1, integers};
inline constexpr Expected batch_names{"batch_indices", "[tokens]", 1, integers};
inline constexpr Expected position_names{"positions", "[tokens]", 1, integers};
inline constexpr Expected indptr_names{"kv_indptr", "[batch + 1]", 1, integers};
inline constexpr Expected indices_names{"kv_indices", "[pages in use]", 1, integers};
inline constexpr Expected valid_names{"valid_tokens", "[1]", 1, elem_set(Elem::i32)};

/// Outputs are codes, or what the inputs are.
inline void check_out(const Expected& what, const Tensor& t, Elem in) {
  if (t.elem != in && (fp8s & elem_set(t.elem)) == 0) [[unlikely]]
    bad_argument(what, t, "has another element type than the inputs", "e4m3, e5m2 or the inputs' own type");
}

/// Q, and K's inputs.
Views view_inputs(const RopeInputs& a);
void view_v(const Tensor& v, Elem in, Views& w);
/// The same views, once it is checked that scales go with what is quantised.
Views with_scales(const RopeInputs& a, const Expected& kv_names, const Views& w);

}  // namespace pagejit::rope
