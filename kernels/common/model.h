// What a family must know of a model to list the Specs that serving it can ask for.
#pragma once
#include <vector>

#include "kernels/common/chip.h"
#include "kernels/common/quant.h"
#include "runtime/base/elem.h"

namespace pagejit {

struct ModelShape {
  Elem elem = Elem::bf16;              // of the model: queries, outputs, and caches that are not quantised
  int query_heads = 32, kv_heads = 8;  // MLA: one KV head, whose row all query heads share
  int dim_k = 128;                     // MLA: latent and rope dims together
  int dim_v = 128;                     // MLA: latent dims
  int rope_dim = 128;                  // how many dims of a head are rotated
  bool joint = false;                  // MLA: V is a prefix of K
  // What attention has to know: some layers see a window only; scores pass through a soft-cap; heads have a logit
  // without a value; scores fall with distance.
  bool window = false, softcap = false, sinks = false, alibi = false;
  std::vector<int> pages = {16, 64};                   // page sizes, in rows
  std::vector<Elem> lengths = {Elem::i32, Elem::i64};  // types that the host may hold lengths in
  /// How the cache may be quantised, by K's mode: turbo4 stands for turbo4 and turbo2 together, fp8_group for the
  /// 656-byte row of MLA.
  std::vector<Quant> quants = {Quant::none};
  Elem fp8 = Elem::e4m3;  // of Quant::fp8
  Chip chip;              // that it is compiled for
};

}  // namespace pagejit
