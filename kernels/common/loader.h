// Loads the kernels of one family on one backend.
#pragma once
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel_map.h"
#include "kernels/common/weaker.h"
#include "pagejit_generator.h"
#include "runtime/backend.h"
#include "runtime/base/error.h"
#include "runtime/base/fields.h"

namespace pagejit {

template <class Spec, class Params>
class Loader {
 public:
  Loader(std::string_view family, Backend& backend) : family_(family), backend_(backend) {}

  Request request(const Spec& s) const {
    return make_request(spec_line(family_, s), backend_.target(), abi_text<Params>(), generator_hash(family_));
  }

  /// The kernel for `s`, without a lock once it is loaded. A stream that is capturing cannot wait for a compile. Where
  /// it may not be compiled, one of weaker alignment serves: the caller then shapes its launch for that Spec.
  Found<Spec> get(const Spec& s, Stream stream) {
    const Found<Spec>* known = kernels_.find(s);
    if (known != nullptr) [[likely]]
      return *known;
    if (backend_.capturing(stream)) return loaded_weaker(s);
    Found<Spec> found = load(s);
    backend_.note_cold_launch();
    return found;
  }

  Found<Spec> load(const Spec& s) {
    Request wanted = request(s);
    try {
      return kernels_.insert(s, backend_.load(wanted));
    } catch (const Error& e) {
      if (e.code() != Code::miss && e.code() != Code::sealed) throw;
      std::lock_guard one(falling_back_);  // of several threads one finds it, and says so once
      if (const Found<Spec>* known = kernels_.find(s)) return *known;
      for (const Spec& w : weaker_specs(s))
        if (const LoadedKernel* kernel = backend_.load_cached(request(w))) {
          backend_.note_fallback(wanted, *kernel);
          return kernels_.insert(s, *kernel, w);
        }
      throw;
    }
  }

 private:
  /// For a stream that captures: what is loaded. Not kept, for afterwards the wanted kernel can be had.
  Found<Spec> loaded_weaker(const Spec& s) {
    for (const Spec& w : weaker_specs(s)) {
      const Found<Spec>* known = kernels_.find(w);
      if (known == nullptr || known->weaker != nullptr) continue;
      const Found<Spec>& found = captured_.insert(s, *known->kernel, w);
      backend_.note_fallback(request(s), *found.kernel);
      return found;
    }
    std::string line = spec_line(family_, s);
    fail(Code::capture, "this kernel is not loaded yet, and the stream is capturing",
         {{"spec", line}, {"target", backend_.target()}, {"to do", "before the capture: prepare(\"" + line + "\")"}});
  }

  std::string_view family_;
  Backend& backend_;
  KernelMap<Spec> kernels_;
  std::mutex falling_back_;
  KernelMap<Spec> captured_;  // what served captures only
};

}  // namespace pagejit
