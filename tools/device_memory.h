// Memory of the device that is given back when its owner goes.
#pragma once
#include <pagejit/context.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace pagejit {

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Context& context, std::size_t bytes, const char* label)
      : context_(&context), data_(static_cast<std::byte*>(context.allocate(bytes, label))), size_(bytes) {}
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceMemory() {
    if (data_ != nullptr) context_->release(data_);
  }

  std::byte* get() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  Context* context_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Fills with random bytes: memory that holds one value over and over can be faster than real data.
void fill_with_noise(Context& context, std::byte* device, std::size_t bytes, std::uint64_t seed);

/// Buffers that live as long as each other.
class Buffers {
 public:
  /// Contents undefined.
  std::byte* room(Context& context, std::size_t bytes, const char* label) {
    return all_.emplace_back(context, bytes > 0 ? bytes : 1, label).get();
  }
  std::byte* noise(Context& context, std::size_t bytes, const char* label, std::uint64_t seed) {
    std::byte* at = room(context, bytes, label);
    fill_with_noise(context, at, bytes, seed);
    return at;
  }
  template <class T>
  std::byte* list(Context& context, const std::vector<T>& values, const char* label) {
    std::byte* at = room(context, values.size() * sizeof(T), label);
    context.copy_in(at, values.data(), values.size() * sizeof(T));
    return at;
  }

 private:
  std::vector<DeviceMemory> all_;
};

}  // namespace pagejit
