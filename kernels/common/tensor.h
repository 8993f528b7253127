// A tensor as a caller hands it over: a pointer with its element type, shape and strides. Owns nothing, allocates
// nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "runtime/base/elem.h"

namespace pagejit {

struct Tensor {
  static constexpr int max_rank = 5;

  void* data = nullptr;  // memory of the device that the context runs on
  Elem elem = Elem::bf16;
  int rank = 0;
  std::int64_t shape[max_rank] = {};
  std::int64_t stride[max_rank] = {};  // in elements; that of a dimension of size 0 or 1 is never looked at

  Tensor() = default;
  /// Packed: the last dimension is contiguous, each other one follows without a gap.
  Tensor(const void* at, Elem e, std::initializer_list<std::int64_t> sizes) : Tensor(at, e, sizes, {}) {
    std::int64_t step = 1;
    for (int d = rank; d-- > 0;) {
      stride[d] = step;
      step *= shape[d];
    }
  }
  Tensor(const void* at, Elem e, std::initializer_list<std::int64_t> sizes, std::initializer_list<std::int64_t> strides)
      : data(const_cast<void*>(at)), elem(e), rank(static_cast<int>(sizes.size())) {
    int d = 0;
    for (std::int64_t size : sizes) {
      if (d < max_rank) shape[d++] = size;
    }
    d = 0;
    for (std::int64_t step : strides) {
      if (d < max_rank) stride[d++] = step;
    }
  }

  /// Left out by the caller.
  bool omitted() const { return data == nullptr && rank == 0; }
  /// The stride as a kernel needs it: 0 where the index is always 0.
  std::int64_t step(int d) const { return shape[d] > 1 ? stride[d] : 0; }
};

}  // namespace pagejit
