// The few types and values of the CUDA driver's interface that we use, in our own words: no CUDA header is needed to
// build. Where a real cuda.h is found, tests/runtime/driver_header_test.cpp checks sizes, values and signatures against
// it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/base/tensor_map.h"

namespace pagejit::cuda {

using Result = int;
using Device = int;
using Address = unsigned long long;
using Context = struct OpaqueContext*;
using StreamHandle = struct OpaqueStream*;
using Event = struct OpaqueEvent*;
using Graph = struct OpaqueGraph*;
using GraphNode = struct OpaqueGraphNode*;
using GraphExec = struct OpaqueGraphExec*;
using Library = struct OpaqueLibrary*;
using Kernel = struct OpaqueKernel*;
using Function = struct OpaqueFunction*;
using LinkState = struct OpaqueLinkState*;

enum : Result {
  success = 0,
  error_invalid_value = 1,
  error_out_of_memory = 2,
  error_no_device = 100,
  error_no_binary_for_gpu = 209,
  error_invalid_ptx = 218,
  error_unsupported_ptx_version = 222,
  error_invalid_source = 300,
};

enum DeviceAttribute : int {
  max_threads_per_block = 1,
  max_grid_x = 5,
  max_grid_y = 6,
  max_grid_z = 7,
  multiprocessor_count = 16,
  l2_cache_bytes = 38,
  chip_major = 75,
  chip_minor = 76,
  max_shared_per_block_optin = 97,
};

enum FunctionAttribute : int {
  function_max_threads = 0,
  function_static_shared = 1,
  function_local_bytes = 3,
  function_registers = 4,
  function_max_dynamic_shared = 8,
};

enum JitOption : int {
  jit_info_log = 3,
  jit_info_log_bytes = 4,
  jit_error_log = 5,
  jit_error_log_bytes = 6,
  jit_optimisation_level = 7,
  jit_log_verbose = 12,
};
enum LibraryOption : int { library_option_none = 0 };
enum JitInput : int { jit_input_ptx = 1 };

enum CaptureMode : int { capture_global = 0, capture_thread_local = 1, capture_relaxed = 2 };
enum CaptureStatus : int { capture_none = 0, capture_active = 1, capture_invalidated = 2 };
enum : unsigned { stream_non_blocking = 1, event_default = 0 };

enum LaunchAttributeId : int {
  launch_cluster = 4,
  launch_early = 6
};  // launch_early: programmatic stream serialisation

// Of tensor maps (runtime/base/tensor_map.h).
enum MapElement : int { map_u8 = 0, map_u16 = 1 };
enum MapInterleave : int { map_interleave_none = 0 };
enum MapSwizzle : int { map_swizzle_32 = 1, map_swizzle_64 = 2, map_swizzle_128 = 3 };
enum MapPromotion : int { map_promotion_128 = 2 };
enum MapFill : int { map_fill_zeros = 0 };

struct LaunchAttribute {
  LaunchAttributeId id;
  char pad[8 - sizeof(LaunchAttributeId)];
  union {
    char all[64];
    struct {
      unsigned x, y, z;
    } cluster;
    int early;
  } value;
};

struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  StreamHandle stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

}  // namespace pagejit::cuda
