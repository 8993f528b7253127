// The fake libcuda as a test uses it: the same loaded library that the Driver opens.
#pragma once
#include <memory>

#include "runtime/cuda/driver.h"
#include "tests/support/fake_cuda.h"

namespace pagejit {

void* fake_symbol(const char* name);

/// PJ_FAKE(fake_fail)("cuLaunchKernelEx", 719, 0): the library is opened at run time, so its functions are looked up by
/// name.
#define PJ_FAKE(function) (reinterpret_cast<decltype(&::function)>(::pagejit::fake_symbol(#function)))

/// As new, and opened.
inline std::shared_ptr<const cuda::Driver> fresh_fake_driver() {
  PJ_FAKE(fake_reset)();
  return cuda::Driver::open(PAGEJIT_FAKE_CUDA);
}

}  // namespace pagejit
