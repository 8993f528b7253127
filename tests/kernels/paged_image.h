// Pages of rows in memory as a server may lay them out: any order of axes, any strides, one layer of several; bytes
// that no live row holds are NaN in every float type.
#pragma once
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "kernels/common/tensor.h"
#include "tests/kernels/device_buffer.h"

namespace pagejit::tests {

/// What a sanitizer is told not to allow the kernel: bytes that must not be read. May be empty.
using PoisonFunction = std::function<void(void* at, std::size_t bytes)>;

struct PagedShape {
  std::int64_t pages = 1, page = 1, heads = 1, width = 1;
  bool nhd = true;
  int layers = 1;  // the pages are those of the middle layer of a buffer of so many
  int shift = 0;   // elements that the pointer and every stride are off their natural alignment
  int unit = 1;    // elements of which each stride is a multiple all the same
};

class PagedImage {
 public:
  PagedImage() = default;
  PagedImage(Elem elem, const PagedShape& shape);

  /// `count` bytes of a row from byte `first` on: now live, to be filled by the caller. All others stay NaN and are
  /// poisoned.
  std::byte* live(std::int64_t page, std::int64_t row, std::int64_t head, std::int64_t first, std::int64_t count);
  std::byte* live_row(std::int64_t page, std::int64_t row, std::int64_t head) {
    return live(page, row, head, 0, shape.width * pagejit::bytes(elem));
  }
  void upload(Context& context, const char* label);
  void poison_dead(const PoisonFunction& poison) const;
  bool unchanged() const { return buffer.read() == bytes; }

  Tensor tensor() const;  // [pages, page, heads, width] or [pages, heads, page, width]
  const std::byte* origin() const { return bytes.data() + offset * pagejit::bytes(elem); }

  Elem elem = Elem::u8;
  PagedShape shape;
  std::int64_t page_stride = 0, row_stride = 0, head_stride = 0, offset = 0;
  Image bytes;
  DeviceBuffer buffer;

 private:
  std::vector<bool> live_;
};

/// Tells of every run of bytes that is not live.
void poison_runs(const DeviceBuffer& buffer, const std::vector<bool>& live, const PoisonFunction& poison);

}  // namespace pagejit::tests
