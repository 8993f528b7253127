// What a caller says to put two attentions over different keys together. Included by <pagejit/merge.h>.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "kernels/common/tensor.h"
#include "kernels/merge/spec.h"

namespace pagejit {

/// The order of the axes of lse tensors. Strides are free, so a tensor of the other order can be passed turned round.
enum class LseAxes : unsigned char { tokens_heads, heads_tokens };
constexpr auto enum_names(LseAxes) {
  return std::array<std::pair<LseAxes, std::string_view>, 2>{
      {{LseAxes::tokens_heads, "tokens_heads"}, {LseAxes::heads_tokens, "heads_tokens"}}};
}

/// Attention over a prefix and attention over a suffix of the same keys, as one over all of them:
///
///   w_x = e^(lse_x − max(lse_prefix, lse_suffix))
///   out = (w_prefix · prefix_out + w_suffix · suffix_out) / (w_prefix + w_suffix);   lse = ln(e^lse_prefix +
///   e^lse_suffix)
///
/// An lse of −∞ or +∞ says that a side saw no key: whatever stands in its row, NaN included, counts nothing. Where
/// neither saw one, out is zero and lse −∞. Tokens without context have no prefix: they take the suffix bit for bit.
struct MergeArgs {
  Tensor prefix_out, suffix_out;  // [tokens, heads, dim]; f16, bf16 or f32, both the same
  Tensor prefix_lse, suffix_lse;  // [tokens, heads] or [heads, tokens], f32, natural logs; any strides
  Tensor out;                     // as suffix_out, or e4m3, e5m2. May be one of the inputs, with its strides
  Tensor out_lse;                 // as suffix_lse, memory of its own; may be left out
  Tensor out_scale;               // [1], f32, of fp8: codes are out · (1 / out_scale), saturated; left out: 1

  LseAxes lse_axes = LseAxes::tokens_heads;
  std::int64_t context_tokens = -1;  // tokens from here on have no context; −1: all have one. Or, on the device:
  Tensor context_tokens_device;      // [1], i32; may be left out
};

}  // namespace pagejit
