#include "compiler/emulator/memory.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/base/error.h"

namespace pagejit::emulator {
namespace {
constexpr std::size_t alignment = 256;  // as cuMemAlloc gives
constexpr std::size_t red_zone = 256;   // so that no allocation's end is another one's start
constexpr int fresh = 0xcb;             // unwritten bytes that the host copies out look like this

std::uint64_t number(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}
}  // namespace

Allocation::Allocation(std::uint64_t at, std::size_t size, std::string name)
    : base(at),
      bytes(size),
      label(std::move(name)),
      state(size),
      race_start(at & ~std::uint64_t{15}),
      races(size + 16) {}

void* Memory::allocate(std::size_t bytes, const char* label) {
  auto storage = std::make_unique_for_overwrite<unsigned char[]>(bytes + alignment + 2 * red_zone);
  std::uint64_t base = (number(storage.get()) + red_zone + alignment - 1) / alignment * alignment;
  auto made = std::make_unique<Allocation>(base, bytes, label ? label : "");
  made->storage = std::move(storage);
  void* pointer = reinterpret_cast<void*>(static_cast<std::uintptr_t>(base));
  std::memset(pointer, fresh, bytes);
  std::memset(made->state.data(), state::unwritten, bytes);
  all_[base] = std::move(made);
  return pointer;
}

void Memory::release(void* pointer) {
  if (!pointer) return;
  if (all_.erase(number(pointer)) == 0)
    fail(Code::argument,
         fmt::format("{} is released, but it is not the start of any memory that the emulator knows", pointer));
}

void Memory::adopt(void* pointer, std::size_t bytes, std::string label) {
  std::uint64_t base = number(pointer);
  auto after = all_.lower_bound(base + bytes);
  if (after != all_.begin() && std::prev(after)->second->end() > base)
    fail(Code::argument, fmt::format("'{}' ({} bytes at {}) overlaps '{}', which the emulator knows already", label,
                                     bytes, pointer, std::prev(after)->second->label));
  all_[base] = std::make_unique<Allocation>(base, bytes, std::move(label));
}

Allocation* Memory::find(std::uint64_t address) const {
  auto after = all_.upper_bound(address);
  if (after == all_.begin()) return nullptr;
  Allocation* a = std::prev(after)->second.get();
  return address <= a->end() ? a : nullptr;
}

Allocation& Memory::range(const void* pointer, std::size_t bytes, const char* what) const {
  Allocation* a = find(number(pointer));
  if (!a)
    fail(Code::argument,
         fmt::format("{}: {} is in no memory that the emulator knows; allocate() it or adopt() it", what, pointer));
  if (bytes > a->end() - number(pointer))
    fail(Code::argument, fmt::format("{}: {} bytes from byte {} of '{}', which has {}", what, bytes,
                                     number(pointer) - a->base, a->label, a->bytes));
  return *a;
}

void Memory::allow(const void* pointer, std::size_t bytes, const char* what) {
  Allocation& a = range(pointer, bytes, what);
  std::memset(a.state.data() + (number(pointer) - a.base), 0, bytes);
}

void Memory::mark(const void* pointer, std::size_t bytes, unsigned char bit, bool on, const char* what) {
  Allocation& a = range(pointer, bytes, what);
  unsigned char* s = a.state.data() + (number(pointer) - a.base);
  for (std::size_t i = 0; i < bytes; ++i) s[i] = static_cast<unsigned char>(on ? s[i] | bit : s[i] & ~bit);
}

}  // namespace pagejit::emulator
