// Our own words for the driver's interface, compared with NVIDIA's where its header is there. Signatures are compared
// by shape: as many parameters, each as large, pointers where pointers are, and behind them values as large.
#include <doctest/doctest.h>

#include "runtime/cuda/driver.h"
#include "tests/support/skip.h"

#if __has_include(<cuda.h>)
#include <cuda.h>

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace pagejit::cuda {
namespace {
template <class T>
constexpr std::size_t size_behind() {
  using To = std::remove_pointer_t<T>;
  if constexpr (std::is_pointer_v<T> && !std::is_void_v<To> && !std::is_function_v<To>)
    if constexpr (requires { sizeof(To); }) return sizeof(To);
  return 0;
}

template <class Ours, class Theirs>
constexpr bool same_parameter() {
  return sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs> &&
         size_behind<Ours>() == size_behind<Theirs>();
}

template <class Ours, class Theirs>
struct SameShape : std::false_type {};
template <class R1, class... A1, class R2, class... A2>
struct SameShape<R1 (*)(A1...), R2 (*)(A2...)> {
  static constexpr bool compare() {
    if constexpr (sizeof...(A1) != sizeof...(A2))
      return false;
    else
      return sizeof(R1) == sizeof(R2) && (true && ... && same_parameter<A1, A2>());
  }
  static constexpr bool value = compare();
};

// In this file a name such as cuEventElapsedTime may be a macro for a later version: then that one is compared.
#define PJ_DRIVER(member, symbol, parameters) \
  static_assert(SameShape<decltype(DriverTable::member), decltype(&::symbol)>::value, #symbol);
#if CUDA_VERSION < 12040
#define PJ_DRIVER_IF_THERE(member, symbol, parameters)
#endif
#include "runtime/cuda/driver_api.def"
#undef PJ_DRIVER

#define SAME(ours, theirs) static_assert(static_cast<long>(ours) == static_cast<long>(theirs), #theirs)
SAME(success, CUDA_SUCCESS);
SAME(error_invalid_value, CUDA_ERROR_INVALID_VALUE);
SAME(error_out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(error_no_device, CUDA_ERROR_NO_DEVICE);
SAME(error_no_binary_for_gpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(error_invalid_ptx, CUDA_ERROR_INVALID_PTX);
SAME(error_unsupported_ptx_version, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(error_invalid_source, CUDA_ERROR_INVALID_SOURCE);
SAME(max_threads_per_block, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(max_grid_x, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
SAME(max_grid_y, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y);
SAME(max_grid_z, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
SAME(multiprocessor_count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(l2_cache_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME(chip_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(chip_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(max_shared_per_block_optin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(function_max_threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(function_static_shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(function_local_bytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(function_registers, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME(function_max_dynamic_shared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(jit_info_log, CU_JIT_INFO_LOG_BUFFER);
SAME(jit_info_log_bytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
SAME(jit_error_log, CU_JIT_ERROR_LOG_BUFFER);
SAME(jit_error_log_bytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(jit_optimisation_level, CU_JIT_OPTIMIZATION_LEVEL);
SAME(jit_log_verbose, CU_JIT_LOG_VERBOSE);
SAME(jit_input_ptx, CU_JIT_INPUT_PTX);
SAME(capture_global, CU_STREAM_CAPTURE_MODE_GLOBAL);
SAME(capture_thread_local, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(capture_relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(capture_none, CU_STREAM_CAPTURE_STATUS_NONE);
SAME(capture_active, CU_STREAM_CAPTURE_STATUS_ACTIVE);
SAME(capture_invalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
SAME(stream_non_blocking, CU_STREAM_NON_BLOCKING);
SAME(event_default, CU_EVENT_DEFAULT);
SAME(map_u8, CU_TENSOR_MAP_DATA_TYPE_UINT8);
SAME(map_u16, CU_TENSOR_MAP_DATA_TYPE_UINT16);
SAME(map_interleave_none, CU_TENSOR_MAP_INTERLEAVE_NONE);
SAME(map_swizzle_32, CU_TENSOR_MAP_SWIZZLE_32B);
SAME(map_swizzle_64, CU_TENSOR_MAP_SWIZZLE_64B);
SAME(map_swizzle_128, CU_TENSOR_MAP_SWIZZLE_128B);
SAME(map_promotion_128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
SAME(map_fill_zeros, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
SAME(launch_cluster, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
SAME(launch_early, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);

#define SAME_PLACE(Ours, ours, Theirs, theirs)          \
  SAME(offsetof(Ours, ours), offsetof(Theirs, theirs)); \
  static_assert(sizeof(Ours::ours) == sizeof(Theirs::theirs))
SAME(sizeof(LaunchConfig), sizeof(CUlaunchConfig));
SAME_PLACE(LaunchConfig, grid_x, CUlaunchConfig, gridDimX);
SAME_PLACE(LaunchConfig, grid_y, CUlaunchConfig, gridDimY);
SAME_PLACE(LaunchConfig, grid_z, CUlaunchConfig, gridDimZ);
SAME_PLACE(LaunchConfig, block_x, CUlaunchConfig, blockDimX);
SAME_PLACE(LaunchConfig, block_y, CUlaunchConfig, blockDimY);
SAME_PLACE(LaunchConfig, block_z, CUlaunchConfig, blockDimZ);
SAME_PLACE(LaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
SAME_PLACE(LaunchConfig, stream, CUlaunchConfig, hStream);
SAME_PLACE(LaunchConfig, attributes, CUlaunchConfig, attrs);
SAME_PLACE(LaunchConfig, attribute_count, CUlaunchConfig, numAttrs);
SAME(sizeof(LaunchAttribute), sizeof(CUlaunchAttribute));
SAME_PLACE(LaunchAttribute, id, CUlaunchAttribute, id);
SAME_PLACE(LaunchAttribute, value, CUlaunchAttribute, value);
SAME_PLACE(LaunchAttribute, value.cluster, CUlaunchAttribute, value.clusterDim);
SAME_PLACE(LaunchAttribute, value.early, CUlaunchAttribute, value.programmaticStreamSerializationAllowed);

TEST_CASE("our declarations of the driver's interface agree with cuda.h") {
  MESSAGE("compared with CUDA " << CUDA_VERSION / 1000 << "." << CUDA_VERSION % 1000 / 10);
  CHECK(CUDA_VERSION >= 12000);
}
}  // namespace
}  // namespace pagejit::cuda
#else
TEST_CASE("our declarations of the driver's interface agree with cuda.h") {
  MESSAGE("not compared: there is no cuda.h here");
}
#endif
