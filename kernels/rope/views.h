// A call's tensors as the kernel walks them: checked, and whatever the order of their axes.
#pragma once
#include "kernels/rope/args.h"

namespace pagejit::rope {

/// [tokens, heads, dim]; strides in elements. A part that the call has not: no data.
struct Input {
  void* data = nullptr;
  std::int64_t token = 0, head = 0;
};
/// The same, or [pages, page, heads, dim]; a dense output has a page a token.
struct Output {
  void* data = nullptr;
  Elem elem = Elem::bf16;
  std::int64_t page = 0, row = 0, head = 0;
};

struct Views {
  Input q_rope, q_nope, k_rope, k_nope, v;
  Output q_rope_out, q_nope_out, k_rope_out, k_nope_out, v_out;
  std::int64_t tokens = 0, query_heads = 0, kv_heads = 0;
  std::int64_t rope_dim = 0, nope_dim = 0, dim_v = 0;
  std::int64_t page = 1;
};

/// Throw Error(argument) unless all tensors are usable and fit together.
Views view_all(const RopeQuantizeArgs& a);
Views view_all(const RopeAppendArgs& a);
Views view_all(const RopeAppendMlaArgs& a);

/// What all pointers and strides have in common, in input elements; that of the table in its own.
Align alignment(const RopeInputs& a, const Views& w);

}  // namespace pagejit::rope
