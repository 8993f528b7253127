// Tensors as the copy engine knows them (sm_90 and later): it brings boxes of them to shared memory.
#pragma once
#include <array>
#include <cstdint>

#include "runtime/base/device_ptr.h"

namespace pagejit {

/// A tensor of five dims, the fastest first, and the box that one copy brings. What the engine asks of it is in the
/// CUDA driver API, "Tensor Map Object Management".
struct BoxedTensor {
  DevicePtr data;                         // a multiple of 16
  int elem_bytes = 2;                     // 1 or 2
  std::array<std::int64_t, 5> sizes{};    // elements, 1 to 2^32; what a box has beyond them is zeros
  std::array<std::int64_t, 4> strides{};  // bytes, of dims 1 to 4: multiples of 16, 0 to 2^40
  std::array<int, 5> box{};               // elements, 1 to 256; dim 0 has as many bytes as `swizzle`
  int swizzle = 128;                      // bytes of a box's row in shared memory: 32, 64 or 128
  bool operator==(const BoxedTensor&) const = default;
};

/// Whether it is as described above.
constexpr bool can_be_walked(const BoxedTensor& t) {
  constexpr std::int64_t most_stride = std::int64_t{1} << 40, most_size = std::int64_t{1} << 32;
  bool sound = t.data.address % 16 == 0 && t.box[0] * t.elem_bytes == t.swizzle;
  for (std::int64_t size : t.sizes) sound &= size >= 1 && size <= most_size;
  for (std::int64_t stride : t.strides) sound &= stride >= 0 && stride < most_stride && stride % 16 == 0;
  for (int size : t.box) sound &= size >= 1 && size <= 256;
  return sound;
}

/// The same as the engine reads it, among a kernel's parameters. What the words mean is the backend's affair.
struct alignas(64) TensorMap {
  std::array<std::uint64_t, 16> words;
};

}  // namespace pagejit
