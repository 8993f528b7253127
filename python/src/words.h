// The words with which the originals' users say what a cache is.
#pragma once
#include "kernels/common/cache_layout.h"
#include "kernels/common/quant.h"
#include "kernels/flatten/spec.h"
#include "python/src/call.h"

namespace pagejit::python {

struct Quantised {
  Quant quant = Quant::none;
  Elem fp8 = Elem::e4m3;  // what bytes of an fp8 cache are
};
/// LMDeploy's numbers (0, 4, 8, 16, 17, 42), or "none", "int4", "int8", "fp8", "fp8_e5m2", "fp8_group", "turbo".
Quantised quant_policy(const Call& call, Given given);
/// vLLM's "auto", "fp8", "fp8_e4m3", "fp8_e5m2".
Quantised kv_cache_dtype(const Call& call, std::string_view given);

/// "NHD" and "bshd", "HND" and "bhsd".
CacheLayout cache_layout(const Call& call, std::string_view given);
ScaleRule scale_rule(const Call& call, std::string_view given);
flatten::Tail tail(const Call& call, std::string_view given);

/// A cache of bytes as the fp8 codes that they are.
inline Tensor codes_of(Tensor t, const Quantised& q) {
  bool fp8 = q.quant == Quant::fp8 || q.quant == Quant::fp8_group;
  if (fp8 && (t.elem == Elem::u8 || t.elem == Elem::i8)) t.elem = q.fp8;
  return t;
}

}  // namespace pagejit::python
