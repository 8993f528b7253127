#include "runtime/cuda/module.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/error.h"

namespace pagejit::cuda {
namespace {
constexpr int shared_without_asking = 48 << 10;

void allow_shared(const Driver& d, Function function, const KernelFacts& facts, int limit) {
  if (facts.dynamic_shared > limit)
    fail(Code::unsupported,
         fmt::format("{} needs {} bytes of shared memory a block", facts.symbol, facts.dynamic_shared),
         {{"expected", fmt::format("at most {} on this device", limit)}});
  if (facts.dynamic_shared > shared_without_asking)
    d.check(d.function_set_attribute(function, function_max_dynamic_shared, facts.dynamic_shared), "cuFuncSetAttribute",
            fmt::format("allowing {} its {} bytes of shared memory", facts.symbol, facts.dynamic_shared));
}
}  // namespace

Module::Module(const Driver& driver, const std::string& image, const std::string& symbol) : driver_(&driver) {
  driver.check(driver.library_load(&library_, image.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
               "cuLibraryLoadData", fmt::format("loading {}", symbol));
  Result found = driver.library_kernel(&kernel_, library_, symbol.c_str());
  if (found != success) driver.library_unload(library_);
  driver.check(found, "cuLibraryGetKernel", fmt::format("looking for {} in its image", symbol));
}

Module::Module(Module&& other) noexcept
    : driver_(other.driver_), library_(std::exchange(other.library_, nullptr)), kernel_(other.kernel_) {}

Module::~Module() {
  if (library_) driver_->library_unload(library_);
}

Function Module::function(const KernelFacts& facts, int shared_limit) const {
  const Driver& d = *driver_;
  Function function = nullptr;
  d.check(d.kernel_function(&function, kernel_), "cuKernelGetFunction",
          fmt::format("putting {} on the device", facts.symbol));
  // The driver loads code late by default; inside a capture late is too late.
  if (d.function_load)
    d.check(d.function_load(function), "cuFuncLoad", fmt::format("loading {} onto the device", facts.symbol));
  allow_shared(d, function, facts, shared_limit);
  return function;
}

CudaKernel::CudaKernel(const DeviceContext& device, Request request, KernelFacts facts, const std::string& image)
    : module_(device.driver(), image, facts.symbol) {
  const Driver& d = device.driver();
  facts_ = std::move(facts);
  request_ = std::move(request);
  function_ = module_.function(facts_, device.shared_limit());
  auto ask = [&](int& fact, FunctionAttribute which) {
    int value = 0;
    d.check(d.function_attribute(&value, which, function_), "cuFuncGetAttribute",
            fmt::format("asking about {}", facts_.symbol));
    fact = value;
  };
  ask(facts_.registers, function_registers);
  ask(facts_.max_threads, function_max_threads);
  ask(facts_.static_shared, function_static_shared);
  ask(facts_.local_bytes, function_local_bytes);
  // The driver gives no report where it had the code in a cache of its own; without a stack frame nothing was spilled.
  if (facts_.local_bytes == 0 && facts_.spill_store < 0) facts_.spill_store = facts_.spill_load = 0;
}

}  // namespace pagejit::cuda
