// A range of bytes that begins as zeros and costs memory only where it was touched: shadows of sparse address spaces.
#pragma once
#include <cstddef>
#include <utility>

namespace pagejit::emulator {

class ZeroPages {
 public:
  explicit ZeroPages(std::size_t bytes);  // throws std::bad_alloc
  ~ZeroPages();
  ZeroPages(ZeroPages&& o) noexcept : data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  ZeroPages& operator=(ZeroPages&&) = delete;
  unsigned char* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  unsigned char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace pagejit::emulator
