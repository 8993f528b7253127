// Two attentions put together: what is compiled (Spec) and what is launched (Params).
#pragma once
#include <cstdint>
#include <string_view>
#include <tuple>

#include "kernels/common/align.h"
#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::merge {

struct Spec {
  Elem in = Elem::bf16;  // of both inputs: f16, bf16, f32
  Elem to = Elem::bf16;  // of the output: as in, or e4m3, e5m2
  int dim = 128;
  Align align = Align::a16;

  // These follow from the fields above.
  int threads = 256;
  int unroll = 4;

  static constexpr auto fields() {
    return std::tuple{field<&Spec::in>("in"),
                      field<&Spec::to>("to"),
                      field<&Spec::dim>("dim", AtLeast{1}),
                      field<&Spec::align>("align"),
                      field<&Spec::threads>("threads", OneOf{64, 128, 256, 512, 1024}),
                      field<&Spec::unroll>("unroll", OneOf{1, 2, 4, 8})};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument). In host.cpp.
void check(const Spec& s);

/// Everything that may change between two launches. Strides are in elements; the last one of prefix, suffix and out
/// is 1.
struct Params {
  DevicePtr prefix, suffix, out;              // [tokens, heads, dim]
  DevicePtr prefix_lse, suffix_lse, out_lse;  // f32; out_lse may be null
  DevicePtr scale;                            // one f32, or null: 1
  DevicePtr context_at;                       // one i32, or null: `context`
  std::int64_t prefix_token, prefix_head, suffix_token, suffix_head, out_token, out_head;
  std::int64_t prefix_lse_token, prefix_lse_head, suffix_lse_token, suffix_lse_head, out_lse_token, out_lse_head;
  std::int64_t heads_magic;  // ceil(2^32 / heads)
  std::int32_t rows;         // tokens · heads
  std::int32_t heads;
  std::int32_t context;  // tokens with a prefix

  static constexpr auto fields() {
    return std::tuple{field<&Params::prefix>("prefix"),
                      field<&Params::suffix>("suffix"),
                      field<&Params::out>("out"),
                      field<&Params::prefix_lse>("prefix_lse"),
                      field<&Params::suffix_lse>("suffix_lse"),
                      field<&Params::out_lse>("out_lse"),
                      field<&Params::scale>("scale"),
                      field<&Params::context_at>("context_at"),
                      field<&Params::prefix_token>("prefix_token"),
                      field<&Params::prefix_head>("prefix_head"),
                      field<&Params::suffix_token>("suffix_token"),
                      field<&Params::suffix_head>("suffix_head"),
                      field<&Params::out_token>("out_token"),
                      field<&Params::out_head>("out_head"),
                      field<&Params::prefix_lse_token>("prefix_lse_token"),
                      field<&Params::prefix_lse_head>("prefix_lse_head"),
                      field<&Params::suffix_lse_token>("suffix_lse_token"),
                      field<&Params::suffix_lse_head>("suffix_lse_head"),
                      field<&Params::out_lse_token>("out_lse_token"),
                      field<&Params::out_lse_head>("out_lse_head"),
                      field<&Params::heads_magic>("heads_magic"),
                      field<&Params::rows>("rows"),
                      field<&Params::heads>("heads"),
                      field<&Params::context>("context")};
  }
};

constexpr int promised_elements(const Spec& s) {
  return promised_bytes(s.align, s.in) / bytes(s.in);
}
/// Neighbouring elements of a thread's one access: as many as the alignment allows and the row has whole pieces of.
constexpr int columns(const Spec& s) {
  int count = 1;
  while (2 * count <= promised_elements(s) && s.dim % (2 * count) == 0) count *= 2;
  return count;
}
/// Accesses that a row takes.
constexpr int units(const Spec& s) {
  return s.dim / columns(s);
}
/// Rows of a block.
constexpr int rows_of_block(const Spec& s) {
  return s.threads * s.unroll / units(s);
}

constexpr int max_dim = 4096;
constexpr int max_heads = 1 << 15;  // (heads + rows of a block) · heads stays below 2^32: see heads_magic
constexpr std::int64_t max_rows = (std::int64_t{1} << 31) - 8192;

}  // namespace pagejit::merge
