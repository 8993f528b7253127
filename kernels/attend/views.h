// A call's tensors as the kernel walks them, each checked by itself.
#pragma once
#include "kernels/attend/args.h"
#include "kernels/common/check.h"

namespace pagejit::attend {

/// K or V: 4-D in either order of axes, or 3-D, whose pages lie without gaps.
struct CacheView {
  const Tensor* t = nullptr;
  Expected names{};
  std::int64_t pages = 0, page = 0, heads = 0, width = 0;
  std::int64_t page_step = 0, row_step = 0, head_step = 0;
};
CacheView view_keys(const DecodeArgs& a);
CacheView view_values(const DecodeArgs& a);
/// Whether V is a part of K's rows.
bool is_joint(const DecodeArgs& a);

/// Scales and zeros of a quantised side; nothing of any other.
struct ScalesView {
  const Tensor* t = nullptr;
  std::int64_t page_step = 0, row_step = 0, head_step = 0;
};
ScalesView view_scales(const DecodeArgs& a, const Tensor& t, const CacheView& cache);

/// Throws Error(argument) unless queries, output, lse, lists and what is one number a head are usable.
void check_dense(const DecodeArgs& a, std::int64_t kv_heads);

/// The same unless out has as many elements a head as V.
void check_width(const DecodeArgs& a, const CacheView& k, const CacheView& v, bool joint);

inline constexpr Expected q_names{"q", "[tokens, heads, dim_k]", 3, elem_set(Elem::f16, Elem::bf16)};
inline constexpr Expected out_names{"out", "[tokens, heads, dim_v]", 3, elem_set(Elem::f16, Elem::bf16)};

}  // namespace pagejit::attend
