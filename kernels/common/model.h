// What a family must know of a model to list the Specs that serving it can ask for.
#pragma once
#include <vector>

#include "runtime/base/elem.h"

namespace pagejit {

struct ModelShape {
  Elem elem = Elem::bf16;                              // of the cache and of what reads it
  int dim_k = 128;                                     // MLA: latent and rope dims together
  int dim_v = 128;                                     // MLA: latent dims
  bool joint = false;                                  // MLA: V is a prefix of K
  std::vector<int> pages = {16, 64};                   // page sizes, in rows
  std::vector<Elem> lengths = {Elem::i32, Elem::i64};  // types that the host may hold lengths in
};

}  // namespace pagejit
