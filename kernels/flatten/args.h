// What a caller says to flatten a paged cache, whatever it is quantised in. Included by <pagejit/flatten.h>.
#pragma once
#include <cstdint>
#include <span>

#include "kernels/common/tensor.h"
#include "kernels/flatten/spec.h"

namespace pagejit {

struct FlattenArgs {
  /// The order of a page's axes: nhd is [pages, page, heads, dim], hnd is [pages, heads, page, dim].
  enum class Layout : unsigned char { nhd, hnd };
  /// The order of an output's axes: shd is [out_rows, heads, dim], hsd is [heads, out_rows, dim].
  enum class Out : unsigned char { shd, hsd };

  Tensor k_cache;      // 4-D, f16, bf16, f32, or the codes that `quant` says; any strides, the last one 1
  Tensor v_cache;      // as k_cache in all but its head dim and its strides
  Tensor k_scales;     // of a quantised cache: see below
  Tensor v_scales;     // as k_scales; left out for joint K and V
  Tensor k_out;        // 3-D, f16, bf16 or f32; rows that do not fit are dropped
  Tensor v_out;        // as k_out; left out, or at k_out's own data: joint K and V (see below)
  Tensor block_table;  // [batch, columns], i32 or i64: page ids; entries past a sequence's end are never read
  Tensor lengths;      // [batch], i32 or i64
  Tensor start_loc;    // [batch], i32 or i64; left out: the exclusive prefix sum of lengths, made on the device

  Layout layout = Layout::nhd;
  Out out = Out::shd;
  /// How the cache is quantised; turbo4 stands for a K in turbo4 and a V in turbo2.
  ///
  ///   quant      cache                           k_scales, v_scales
  ///   fp8        e4m3 or e5m2                    f32 [1] or [heads]
  ///   fp8_group  e4m3                            f32 in the cache's axes, the last one ceil(dim / 128)
  ///   int8       u8                              f16, bf16 or f32 in the cache's axes, the last one 2: scale, zero
  ///   int4       u8, the last axis dim / 2       the same
  ///   turbo4     u8, K's last axis dim / 2,      the same; V's last axis 1
  ///              V's dim / 4
  Quant quant = Quant::none;
  flatten::Tail tail = flatten::Tail::zero;
  bool zero_gaps = false;  // rows between sequences are zeroed too; needs Tail::zero
  /// A promise: block_table, lengths and start_loc were not written by the kernel launched just before on this stream.
  /// Then they are read while that kernel still finishes (programmatic dependent launch). Caches always wait for it.
  bool settled = false;

  flatten::Tuning tuning = {};

  /// Lengths that the host happens to know: if given, each is checked (not negative, within the table's columns).
  std::span<const std::int64_t> host_lengths = {};

  // Joint K and V (MLA: V is the first Dv elements of K). If v_out is left out, or is k_out's own memory, only K is
  // copied and V's output is k_out[..., :Dv]. Then v_cache may be left out too, or must be k_cache's memory at its
  // strides with no larger head dim. With a v_out of its own, V is copied like any other tensor, wherever it lies.
};

/// flatten for MLA's rows of 656 bytes: 512 latent elements in e4m3, four f32 scales of 128 each, then 64 rotated
/// elements of the output's own type, whose bits are copied.
struct FlattenMlaArgs {
  Tensor cache;        // [pages, page, heads, 656] u8; strides that keep the scales 4-byte aligned
  Tensor out;          // [out_rows, heads, 576] or [heads, out_rows, 576], f16 or bf16
  Tensor block_table;  // these four as in FlattenArgs
  Tensor lengths;
  Tensor start_loc;
  FlattenArgs::Out out_layout = FlattenArgs::Out::shd;
  flatten::Tail tail = flatten::Tail::zero;
  bool zero_gaps = false;
  bool settled = false;
  flatten::Tuning tuning = {};
};

}  // namespace pagejit
