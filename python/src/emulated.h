// NumPy's memory, and the host's in general, as the emulator sees it.
#pragma once
#include <mutex>
#include <vector>

#include "python/src/contexts.h"

namespace pagejit::python {

/// A tensor of a call, by its two names.
struct HostTensor {
  Tensor tensor;
  const char* name;   // "k_caches", in Python
  const char* field;  // "k_cache", in C++
};

/// While it lives, the emulator may touch the memory between each tensor's first and last element; nothing on a GPU.
/// One at a time.
class HostMemory {
 public:
  HostMemory(Context& context, Place place, const HostTensor* tensors, int count) {
    if (place.cuda == Place::host) adopt(context, tensors, count);
  }
  ~HostMemory() {
    if (context_ != nullptr) release();
  }
  HostMemory(const HostMemory&) = delete;

 private:
  void adopt(Context& context, const HostTensor* tensors, int count);
  void release();

  Context* context_ = nullptr;
  std::vector<void*> adopted_;
  std::unique_lock<std::mutex> turn_;
};

}  // namespace pagejit::python
