// One loaded kernel: the library that holds it and its function in one device's context.
#pragma once
#include <string>

#include "runtime/backend.h"
#include "runtime/cuda/device.h"

namespace pagejit::cuda {

/// A cubin (or PTX) that the driver has taken in. Belongs to no context: each device asks it for a function of its own.
class Module {
 public:
  /// Copies nothing: the driver keeps what it needs. Throws Error(driver).
  Module(const Driver& driver, const std::string& image, const std::string& symbol);
  ~Module();
  Module(Module&& other) noexcept;
  Module& operator=(Module&&) = delete;

  /// The kernel in the current context, code on the device already: the first launch is no slower than the next.
  Function function(const KernelFacts& facts, int shared_limit) const;

 private:
  const Driver* driver_;
  Library library_ = nullptr;
  Kernel kernel_ = nullptr;
};

class CudaKernel : public LoadedKernel {
 public:
  CudaKernel(const DeviceContext& device, Request request, KernelFacts facts, const std::string& image);
  Function function() const { return function_; }

 private:
  Module module_;
  Function function_ = nullptr;
};

}  // namespace pagejit::cuda
