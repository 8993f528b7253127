// What the cases of all families share: batches of sequences whose pages lie in random order, and numbers as a model's.
#pragma once
#include <cstdint>
#include <vector>

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

/// Room for `elements` of `e`, filled with numbers of a normal distribution (floats) or with random bytes.
std::byte* numbers(Context& context, Buffers& memory, Elem e, std::int64_t elements, const char* label,
                   std::uint64_t seed);

/// One f32 on the device.
std::byte* scalar(Context& context, Buffers& memory, float value, const char* label);

}  // namespace pagejit::bench
