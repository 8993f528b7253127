// Loads the kernels of one family on one backend.
#pragma once
#include <string>
#include <string_view>

#include "kernels/common/kernel_map.h"
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

  /// The kernel for `s`, without a lock once it is loaded. A stream that is capturing cannot wait for a compile.
  const LoadedKernel& get(const Spec& s, Stream stream) {
    const LoadedKernel* known = kernels_.find(s);
    if (known != nullptr) [[likely]]
      return *known;
    if (backend_.capturing(stream)) refuse(s);
    return load(s);
  }

  const LoadedKernel& load(const Spec& s) {
    const LoadedKernel& kernel = backend_.load(request(s));
    kernels_.insert(s, kernel);
    return kernel;
  }

 private:
  [[noreturn]] void refuse(const Spec& s) const {
    std::string line = spec_line(family_, s);
    fail(Code::capture, "this kernel is not loaded yet, and the stream is capturing",
         {{"spec", line}, {"target", backend_.target()}, {"to do", "before the capture: prepare(\"" + line + "\")"}});
  }

  std::string_view family_;
  Backend& backend_;
  KernelMap<Spec> kernels_;
};

}  // namespace pagejit
