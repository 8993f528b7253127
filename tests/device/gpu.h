// The GPU that device tests run on, if there is one.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

#include "kernels/api/pagejit/pagejit.h"
#include "runtime/cuda/cuda_backend.h"
#include "tests/support/skip.h"

namespace pagejit::tests {

/// One context for all tests of the program, its kernel cache in a folder of its own; null, and a note, without a GPU.
inline Context* gpu() {
  static std::unique_ptr<Context> one = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "pagejit-device-test-XXXXXX").string();
    Options options;
    options.device = "cuda";
    if (mkdtemp(folder.data()) != nullptr) options.cache_dir = folder;
    try {
      return std::make_unique<Context>(options);
    } catch (const Error& e) {
      if (e.code() != Code::absent) throw;
      std::filesystem::remove_all(folder);
      return std::unique_ptr<Context>();
    }
  }();
  if (!one) skip_test("no GPU here");
  return one.get();
}

inline const cuda::DeviceContext& device_of(Context& context) {
  return dynamic_cast<CudaBackend&>(context.backend()).device();
}

}  // namespace pagejit::tests
