// Rotary embedding, quantisation and append in one: what is compiled (Spec) and what is launched (Params).
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "kernels/common/align.h"
#include "kernels/rope/params.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::rope {

/// Which two elements of a head rotate together: (i, i + R/2), or (2i, 2i + 1).
enum class Style : unsigned char { neox, interleaved };
constexpr auto enum_names(Style) {
  return std::array<std::pair<Style, std::string_view>, 2>{
      {{Style::neox, "neox"}, {Style::interleaved, "interleaved"}}};
}

/// What becomes of the query outputs of a token that is written nowhere. K and V are never written for it.
enum class Padding : unsigned char { skip_all, zero_row };
constexpr auto enum_names(Padding) {
  return std::array<std::pair<Padding, std::string_view>, 2>{
      {{Padding::skip_all, "skip_all"}, {Padding::zero_row, "zero_row"}}};
}

/// Where K and V go.
enum class Into : unsigned char { dense, slots, batch_pos };
constexpr auto enum_names(Into) {
  return std::array<std::pair<Into, std::string_view>, 3>{
      {{Into::dense, "dense"}, {Into::slots, "slots"}, {Into::batch_pos, "batch_pos"}}};
}

/// Neither the cache's layout nor whether K's two parts are one tensor is here: both are strides.
struct Spec {
  Elem in = Elem::bf16;  // of Q, K and V: f16, bf16, f32
  Elem q = Elem::e4m3;   // of the query outputs: e4m3, e5m2, or as `in`, which is not quantised
  Elem kv = Elem::e4m3;  // of K's and V's outputs, likewise
  Style style = Style::neox;
  int rope_dim = 64;  // even
  int nope_dim = 64;  // 0: all of a head is rotated
  int dim_v = 128;    // 0: no V
  Into into = Into::batch_pos;
  int page = 16;          // rows; 1 for dense outputs
  Elem list = Elem::i32;  // of the lists that say where a token goes: i32, i64
  Elem pos = Elem::i32;   // of pos_ids: i32, i64
  Padding padding = Padding::skip_all;
  bool settled = false;      // lists, positions, table and scales are not the work of the kernel just before
  Align align = Align::a16;  // of the inputs; outputs are aligned to as many elements
  int threads = 128;         // a block
  int unroll = 4;            // accesses in flight, a thread

  static constexpr auto fields() {
    return std::tuple{field<&Spec::in>("in"),
                      field<&Spec::q>("q"),
                      field<&Spec::kv>("kv"),
                      field<&Spec::style>("style"),
                      field<&Spec::rope_dim>("rope_dim", AtLeast{2}),
                      field<&Spec::nope_dim>("nope_dim", AtLeast{0}),
                      field<&Spec::dim_v>("dim_v", AtLeast{0}),
                      field<&Spec::into>("into"),
                      field<&Spec::page>("page", AtLeast{1}),
                      field<&Spec::list>("list"),
                      field<&Spec::pos>("pos"),
                      field<&Spec::padding>("padding"),
                      field<&Spec::settled>("settled"),
                      field<&Spec::align>("align"),
                      field<&Spec::threads>("threads", OneOf{128, 256, 512, 1024}),
                      field<&Spec::unroll>("unroll", OneOf{1, 2, 4, 8})};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument). In shape.cpp.
void check(const Spec& s);

/// For tools that look for better numbers; 0 leaves a choice to pagejit. None of them changes a result.
struct Tuning {
  int threads = 0, unroll = 0;  // of the Spec
  int heads = 0;                // a thread, at most
  int tile = 0;                 // tokens whose blocks stand together
};

/// Elements that every pointer and every stride is a multiple of.
constexpr int promised_elements(const Spec& s) {
  return promised_bytes(s.align, s.in) / bytes(s.in);
}

/// The five kinds of blocks: each works on one part of the heads of some tokens.
enum Part : int { q_rope, q_nope, k_rope, k_nope, v_all, parts };

constexpr bool rotated(int part) {
  return part == q_rope || part == k_rope;
}
constexpr int dim_of(const Spec& s, int part) {
  return rotated(part) ? s.rope_dim : part == v_all ? s.dim_v : s.nope_dim;
}
constexpr Elem out_of(const Spec& s, int part) {
  return part == q_rope || part == q_nope ? s.q : s.kv;
}

/// Elements of a head that a thread works on, in one access, or in two for a neox rotation. All powers of two.
constexpr int columns(const Spec& s, int part) {
  int most = std::min(16 / bytes(s.in), promised_elements(s)), dim = dim_of(s, part);
  if (rotated(part)) most = s.style == Style::neox ? 2 * most : std::max(2, most);
  while (dim % most != 0) most /= 2;
  return most;
}
/// Threads that share a head.
constexpr int units(const Spec& s, int part) {
  return dim_of(s, part) / columns(s, part);
}
/// Heads whose loads a thread has in flight at once.
constexpr int heads_in_flight(const Spec& s, int part) {
  bool two = rotated(part) && s.style == Style::neox;
  return two ? std::max(1, s.unroll / 2) : s.unroll;
}

constexpr int max_dim = 1024;  // of each part: a block of any alignment holds at least one head of it
/// Tokens are numbered in 31 bits; a block may look one tile past the last.
constexpr std::int64_t max_tokens = (std::int64_t{1} << 31) - 4096;

}  // namespace pagejit::rope
