// Gathers out of a paged cache: what is compiled (Spec), what is launched (Params), and the shape of a launch.
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
#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::flatten {

/// What happens to output rows at and after the end of the last sequence.
enum class Tail : unsigned char { zero, untouched };
constexpr auto enum_names(Tail) {
  return std::array<std::pair<Tail, std::string_view>, 2>{{{Tail::zero, "zero"}, {Tail::untouched, "untouched"}}};
}

/// Where the first output row of each sequence comes from.
enum class Starts : unsigned char {
  computed,  // the running sum of the lengths
  i32,
  i64,
  indptr,  // i32, and one more of them: a sequence ends where the next one starts; lengths are not read
};
constexpr auto enum_names(Starts) {
  return std::array<std::pair<Starts, std::string_view>, 4>{
      {{Starts::computed, "computed"}, {Starts::i32, "i32"}, {Starts::i64, "i64"}, {Starts::indptr, "indptr"}}};
}

/// Neither the cache's layout (NHD, HND) nor the output's (shd, hsd) is here: both are strides, and one kernel serves
/// all.
struct Spec {
  Elem k = Elem::bf16;   // stored elements of K: f16, bf16, f32 or u8 as they are; e4m3, e5m2 or u8 where quantised
  Elem v = Elem::bf16;   // of V
  Elem to = Elem::bf16;  // of the output: f16, bf16, f32; u8 where bytes are copied
  Quant quant_k = Quant::none;
  Quant quant_v = Quant::none;
  Elem meta = Elem::f16;  // of scales and zeros that are of the model's type: f16, bf16, f32
  int dim_k = 128;
  int dim_v = 128;     // joint: the same as dim_k
  int page = 64;       // rows
  bool joint = false;  // V is a prefix of K, or there is none: only K is copied
  Tail tail = Tail::zero;
  Elem table = Elem::i32;    // i32, i64
  Elem lengths = Elem::i32;  // i32, i64
  Starts starts = Starts::computed;
  bool offsets = false;  // the first row of a sequence is not its token 0 but one that is given
  Align align = Align::a16;
  int threads = 256;  // a block
  int unroll = 1;     // accesses in flight, a thread, of each tensor

  static constexpr auto fields() {
    return std::tuple{field<&Spec::k>("k"),
                      field<&Spec::v>("v"),
                      field<&Spec::to>("to"),
                      field<&Spec::quant_k>("quant_k"),
                      field<&Spec::quant_v>("quant_v"),
                      field<&Spec::meta>("meta"),
                      field<&Spec::dim_k>("dim_k", AtLeast{1}),
                      field<&Spec::dim_v>("dim_v", AtLeast{1}),
                      field<&Spec::page>("page", AtLeast{1}),
                      field<&Spec::joint>("joint"),
                      field<&Spec::tail>("tail"),
                      field<&Spec::table>("table"),
                      field<&Spec::lengths>("lengths"),
                      field<&Spec::starts>("starts"),
                      field<&Spec::offsets>("offsets"),
                      field<&Spec::align>("align"),
                      field<&Spec::threads>("threads", OneOf{128, 256, 512, 1024}),
                      field<&Spec::unroll>("unroll", OneOf{1, 2, 4, 8, 16})};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument). In check.cpp.
void check(const Spec& s);

/// One of the two tensors that a launch copies, as far as it is compiled.
struct SideSpec {
  Elem stored;
  Quant quant;
  int dim;

  bool operator==(const SideSpec&) const = default;

  /// Stored elements of a row.
  constexpr int width() const { return codes(quant, dim); }
  /// Elements of metadata that are loaded as one.
  constexpr int pair() const { return quant == Quant::fp8_group ? 1 : metadata(quant, dim); }
};
constexpr SideSpec k_side(const Spec& s) {
  return {s.k, s.quant_k, s.dim_k};
}
constexpr SideSpec v_side(const Spec& s) {
  return {s.v, s.quant_v, s.dim_v};
}

/// Whether each row has scales of its own, beside its codes.
constexpr bool scales_by_row(Quant q) {
  return q != Quant::none && q != Quant::fp8;
}

/// For tools that look for better numbers; 0 leaves a choice to pagejit. None of them changes a result.
struct Tuning {
  int threads = 0, unroll = 0;  // of the Spec
  int group = 0;                // heads a block
  int tiles = 0;                // a block looks up the rows of so many loads' worth

  bool operator==(const Tuning&) const = default;
};

/// Everything that may change between two launches. Strides are in elements; the last one of each tensor is 1.
struct Params {
  DevicePtr k_cache;  // [pages, page, heads, stored elements of a row] at strides k_page, k_row, k_head
  DevicePtr v_cache;  // likewise at v_page, v_row, v_head
  DevicePtr k_out;    // [out_rows, heads, dim_k] at strides k_out_row, k_out_head
  DevicePtr v_out;    // [out_rows, heads, dim_v] at strides v_out_row, v_out_head
  DevicePtr table;    // [batch, …] page ids, rows table_row apart; entries past a sequence's end are never read
  DevicePtr lengths;  // [batch]
  DevicePtr starts;   // [batch], or null: the exclusive prefix sum of lengths; indptr: [batch + 1]
  DevicePtr offsets;  // [batch] i32: the token of each sequence's first row
  // fp8: one f32 or one a head. Else, for each page, row and head, metadata(quant, dim) numbers.
  DevicePtr k_scales, v_scales;
  std::int64_t k_page, k_row, k_head;
  std::int64_t v_page, v_row, v_head;
  std::int64_t k_out_row, k_out_head;
  std::int64_t v_out_row, v_out_head;
  std::int64_t k_scales_page, k_scales_row, k_scales_head;
  std::int64_t v_scales_page, v_scales_row, v_scales_head;
  std::int64_t table_row;
  std::int64_t magic;     // ceil(2^32 / inner): an item div inner by one multiplication
  std::int32_t out_rows;  // rows at and after it are never written; at most max_rows
  std::int32_t batch;
  std::int32_t heads;
  std::int32_t zero_gaps;    // with Tail::zero: rows between sequences are zeroed too
  std::int32_t settled;      // table, lengths and starts are not the work of the kernel just before: read them at once
  std::int32_t rows, group;  // rows (≤ threads) and heads of a block's share: any number of items
  std::int32_t rows_inner;   // neighbouring items are rows of one head, not heads of one row
  std::int32_t inner;        // rows or group: how many items until the other one steps

  static constexpr auto fields() {
    return std::tuple{field<&Params::k_cache>("k_cache"),
                      field<&Params::v_cache>("v_cache"),
                      field<&Params::k_out>("k_out"),
                      field<&Params::v_out>("v_out"),
                      field<&Params::table>("table"),
                      field<&Params::lengths>("lengths"),
                      field<&Params::starts>("starts"),
                      field<&Params::offsets>("offsets"),
                      field<&Params::k_scales>("k_scales"),
                      field<&Params::v_scales>("v_scales"),
                      field<&Params::k_page>("k_page"),
                      field<&Params::k_row>("k_row"),
                      field<&Params::k_head>("k_head"),
                      field<&Params::v_page>("v_page"),
                      field<&Params::v_row>("v_row"),
                      field<&Params::v_head>("v_head"),
                      field<&Params::k_out_row>("k_out_row"),
                      field<&Params::k_out_head>("k_out_head"),
                      field<&Params::v_out_row>("v_out_row"),
                      field<&Params::v_out_head>("v_out_head"),
                      field<&Params::k_scales_page>("k_scales_page"),
                      field<&Params::k_scales_row>("k_scales_row"),
                      field<&Params::k_scales_head>("k_scales_head"),
                      field<&Params::v_scales_page>("v_scales_page"),
                      field<&Params::v_scales_row>("v_scales_row"),
                      field<&Params::v_scales_head>("v_scales_head"),
                      field<&Params::table_row>("table_row"),
                      field<&Params::magic>("magic"),
                      field<&Params::out_rows>("out_rows"),
                      field<&Params::batch>("batch"),
                      field<&Params::heads>("heads"),
                      field<&Params::zero_gaps>("zero_gaps"),
                      field<&Params::settled>("settled"),
                      field<&Params::rows>("rows"),
                      field<&Params::group>("group"),
                      field<&Params::rows_inner>("rows_inner"),
                      field<&Params::inner>("inner")};
  }
};

/// Stored elements that one access moves: what alignment and the row allow. Of what is copied or cast at most 16 bytes;
/// of codes as many as make 16 bytes of a 16-bit output, so that neighbouring threads store neighbouring pieces.
constexpr int vector_elements(Align align, const SideSpec& side) {
  // Powers of two all: shifts and masks, for this is computed before every launch. Bytes 1, 2, 4 shift by 0, 1, 2.
  int vec = side.quant == Quant::none ? promised_bytes(align, side.stored) >> (bytes(side.stored) >> 1)
                                      : std::max(1, promised_bytes(align, Elem::u8) / 2);
  return std::min(vec, side.width() & -side.width());
}

/// What pointers and strides of a side's cache or output of `e` are multiples of, in bytes. More than the widest access
/// moves would be of no use: a planar page's scales, 4 bytes a row, do not spoil the class of its codes.
constexpr int promised_bytes(Align align, const SideSpec& side, Elem e) {
  return std::min(promised_bytes(align, e), vector_elements(Align::a16, side) * bytes(e));
}
/// The same of its metadata.
constexpr int promised_scale_bytes(Align align, const SideSpec& side, Elem e) {
  return std::min(promised_bytes(align, e), std::max(1, side.pair()) * bytes(e));
}

/// Items, (row, head) pairs, that a block's threads have in flight at once of a side.
constexpr int items_in_flight(const Spec& s, const SideSpec& side) {
  auto elements = static_cast<unsigned>(s.threads * s.unroll * vector_elements(s.align, side)),
       width = static_cast<unsigned>(side.width());
  // A division only where it must be: this is on the way of every launch.
  return static_cast<int>((width & (width - 1)) == 0 ? elements >> std::countr_zero(width) : elements / width);
}
/// The same of both sides together. At least 1 for any dims that check() lets pass.
constexpr int items(const Spec& s) {
  SideSpec k = k_side(s), v = v_side(s);
  return s.joint || k == v ? items_in_flight(s, k) : std::min(items_in_flight(s, k), items_in_flight(s, v));
}

constexpr bool quantised(const Spec& s) {
  return s.quant_k != Quant::none || s.quant_v != Quant::none;
}
/// Whether nearly all bytes are K's: joint, or MLA's rotated part beside its latent one.
constexpr bool lone(const Spec& s) {
  return s.joint || 4 * s.dim_v <= s.dim_k;
}
/// Whether K and V have blocks of their own, all of K's first: then the device reads and writes one stretch of memory
/// at a time, not two. It helps codes of a byte (docs/measured.md).
constexpr bool apart(const Spec& s) {
  return !lone(s) && quantised(s) && per_code(s.quant_k) == 1;
}

/// Items that a block moves in one turn of its loop.
constexpr int turn_items(const Spec& s, const SideSpec& side) {
  return apart(s) ? items_in_flight(s, side) : items(s);
}
/// Accesses in flight, a thread, that hold them: fewer than unroll where a side's rows are the smaller ones.
constexpr int side_unroll(const Spec& s, const SideSpec& side) {
  int unroll = 1;
  while (s.threads * unroll * vector_elements(s.align, side) < turn_items(s, side) * side.width()) unroll *= 2;
  return unroll;
}

/// One tensor alone wants more accesses in flight, from smaller blocks; codes want smaller blocks (docs/measured.md).
constexpr int least_threads(const Spec& s) {
  return lone(s) || quantised(s) ? 128 : 256;
}
constexpr int least_unroll(const Spec& s) {
  if (!lone(s)) return apart(s) ? 2 : 1;
  return quantised(s) ? 4 : 2;
}

/// Accesses in flight, a thread, of each tensor: as few as keep seven of eight threads busy. Blocks are many, and what
/// is in flight comes from their number.
constexpr int unroll_for(Spec s) {
  auto busy = [&](int unroll, const SideSpec& side) {
    s.unroll = unroll;
    return 8 * items(s) * side.width() >= 7 * s.threads * unroll * vector_elements(s.align, side);
  };
  int least = least_unroll(s);
  for (int unroll = least; unroll <= 4; unroll *= 2)
    if (busy(unroll, k_side(s)) && (s.joint || busy(unroll, v_side(s)))) return unroll;
  for (s.unroll = least; s.unroll < 16 && items(s) == 0;) s.unroll *= 2;
  return s.unroll;
}

/// Rows are numbered in 31 bits; a block may look one block past the last.
constexpr std::int64_t max_rows = (std::int64_t{1} << 31) - 4096;

}  // namespace pagejit::flatten
