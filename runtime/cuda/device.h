// One GPU: what it is called, what it can do, and which target its kernels are compiled for.
#pragma once
#include <memory>
#include <string>

#include "runtime/cuda/driver.h"

namespace pagejit::cuda {

/// "sm_90a" for 9.0; for a chip that nobody here knows the nearest lower one without suffix, whose PTX the driver can
/// assemble for any newer chip. Throws Error(unsupported) below 8.0.
std::string target_for_chip(int major, int minor);

/// Holds the device's primary context, the one that other libraries in the process use as well.
class DeviceContext {
 public:
  /// Throws Error(argument) where there is no such device.
  DeviceContext(std::shared_ptr<const Driver> driver, int ordinal);
  ~DeviceContext();
  DeviceContext(const DeviceContext&) = delete;

  const Driver& driver() const { return *driver_; }
  Context context() const { return context_; }
  const std::string& name() const { return name_; }
  std::string chip() const;  // "9.0"
  std::string target() const { return target_for_chip(major_, minor_); }
  int multiprocessors() const { return multiprocessors_; }
  int l2_bytes() const { return l2_bytes_; }
  int shared_limit() const { return shared_limit_; }  // bytes a block may ask for
  int attribute(DeviceAttribute which) const;

 private:
  std::shared_ptr<const Driver> driver_;
  Device device_ = 0;
  Context context_ = nullptr;
  std::string name_;
  int major_ = 0, minor_ = 0, multiprocessors_ = 0, l2_bytes_ = 0, shared_limit_ = 0;
};

}  // namespace pagejit::cuda
