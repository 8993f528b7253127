#include "python/src/words.h"

namespace pagejit::python {

Quantised quant_policy(const Call& call, Given given) {
  struct Policy {
    long number;
    const char* name;
    Quantised means;
  };
  static constexpr Policy policies[] = {{0, "none", {Quant::none}},
                                        {4, "int4", {Quant::int4}},
                                        {8, "int8", {Quant::int8}},
                                        {16, "fp8", {Quant::fp8, Elem::e4m3}},
                                        {17, "fp8_e5m2", {Quant::fp8, Elem::e5m2}},
                                        {42, "turbo", {Quant::turbo4}},
                                        {-1, "fp8_group", {Quant::fp8_group}}};
  if (PyLong_Check(given.ptr())) {
    long number = PyLong_AsLong(given.ptr());
    if (number == -1) PyErr_Clear();  // fp8_group has no number
    for (const Policy& p : policies)
      if (p.number == number && number >= 0) return p.means;
  } else if (nb::isinstance<nb::str>(given)) {
    for (const Policy& p : policies)
      if (std::string_view(nb::str(given).c_str()) == p.name) return p.means;
  }
  call.refuse("quant_policy", nb::str(given).c_str(),
              "0 or 'none', 4 or 'int4', 8 or 'int8', 16 or 'fp8', 17 or 'fp8_e5m2', 42 or 'turbo', or 'fp8_group'");
}

Quantised kv_cache_dtype(const Call& call, std::string_view given) {
  return call.choose<Quantised>("kv_cache_dtype", given,
                                {{"auto", {Quant::none}},
                                 {"fp8", {Quant::fp8, Elem::e4m3}},
                                 {"fp8_e4m3", {Quant::fp8, Elem::e4m3}},
                                 {"fp8_e5m2", {Quant::fp8, Elem::e5m2}}});
}

CacheLayout cache_layout(const Call& call, std::string_view given) {
  return call.choose<CacheLayout>(
      "kv_layout", given,
      {{"NHD", CacheLayout::nhd}, {"bshd", CacheLayout::nhd}, {"HND", CacheLayout::hnd}, {"bhsd", CacheLayout::hnd}});
}

ScaleRule scale_rule(const Call& call, std::string_view given) {
  return call.choose<ScaleRule>(
      "scale_rule", given, {{"blocked", ScaleRule::blocked}, {"mla", ScaleRule::mla}, {"indexer", ScaleRule::indexer}});
}

flatten::Tail tail(const Call& call, std::string_view given) {
  return call.choose<flatten::Tail>("tail", given,
                                    {{"zero", flatten::Tail::zero}, {"untouched", flatten::Tail::untouched}});
}

}  // namespace pagejit::python
