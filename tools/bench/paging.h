// What the cases of all families share: batches of sequences whose pages lie in random order, and numbers as a model's.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "kernels/common/tensor.h"
#include "runtime/base/elem.h"
#include "tools/device_memory.h"

namespace pagejit::bench {

/// `batch` sequences of `length` tokens each, one block of pages behind the other in a table in random order.
struct Paging {
  Paging(int batch, int length, int page, std::uint64_t seed);

  int batch, length, page;
  std::int64_t columns, pages;
  std::vector<std::int32_t> table;  // [batch, columns]

  std::int64_t tokens() const { return static_cast<std::int64_t>(batch) * length; }
  /// The slot of each token, sequence after sequence.
  std::vector<std::int64_t> slots() const;
  /// Tokens 0, length, 2 · length …: where sequences begin.
  std::vector<std::int32_t> starts() const;
};

/// Makes the tensors of a case: packed, or, with a spread of n, each the first of n that alternate along their first
/// axis (a layer of a pool, K beside V).
struct Maker {
  using Sizes = std::initializer_list<std::int64_t>;
  Context& context;
  Buffers& memory;
  int spread = 1;

  /// Contents undefined.
  Tensor room(Elem e, Sizes sizes, const char* label) const;
  /// Numbers of a normal distribution (floats), or random bytes.
  Tensor numbers(Elem e, Sizes sizes, const char* label, std::uint64_t seed) const;
};

/// One f32 on the device.
std::byte* scalar(Context& context, Buffers& memory, float value, const char* label);

}  // namespace pagejit::bench
