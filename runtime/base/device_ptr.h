// An address in a device's memory, as a Params struct holds it.
#pragma once
#include <cstdint>

namespace pagejit {

/// Eight bytes, trivially copied, never owning. The host may not look behind it.
struct DevicePtr {
  std::uint64_t address = 0;

  constexpr DevicePtr() = default;
  constexpr explicit DevicePtr(std::uint64_t at) : address(at) {}
  DevicePtr(const void* pointer) : address(reinterpret_cast<std::uintptr_t>(pointer)) {}

  void* get() const { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)); }
  explicit operator bool() const { return address != 0; }
  bool operator==(const DevicePtr&) const = default;
};

}  // namespace pagejit
