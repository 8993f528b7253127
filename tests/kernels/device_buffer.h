// A piece of a context's memory, filled from a host image, released at the end of the scope.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "kernels/api/pagejit/context.h"

namespace pagejit::tests {

using Image = std::vector<std::byte>;

class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Context& context, const Image& image, const char* label)
      : context_(&context), bytes_(image.size()), data_(context.allocate(bytes_ ? bytes_ : 1, label)) {
    write(image);
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) context_->release(data_);
  }
  DeviceBuffer(DeviceBuffer&& o) noexcept
      : context_(o.context_), bytes_(o.bytes_), data_(std::exchange(o.data_, nullptr)) {}
  DeviceBuffer& operator=(DeviceBuffer&& o) noexcept {
    std::swap(context_, o.context_), std::swap(bytes_, o.bytes_), std::swap(data_, o.data_);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t size() const { return bytes_; }
  void write(const Image& image) {
    if (!image.empty()) context_->copy_in(data_, image.data(), image.size());
  }
  Image read() const {
    Image image(bytes_);
    if (bytes_ != 0) context_->copy_out(image.data(), data_, bytes_);
    return image;
  }

 private:
  Context* context_ = nullptr;
  std::size_t bytes_ = 0;
  void* data_ = nullptr;
};

}  // namespace pagejit::tests
