// The global memory that the emulator knows: its own allocations and the caller's adopted ones, with what may be read.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "compiler/emulator/races.h"
#include "compiler/emulator/zero_pages.h"

namespace pagejit::emulator {

/// Why a byte may not be read; zero is a byte that may be.
namespace state {
constexpr unsigned char unwritten = 1, poisoned = 2, pending = 4;
}

struct Allocation {
  Allocation(std::uint64_t base, std::size_t bytes, std::string label);
  std::uint64_t base;
  std::size_t bytes;
  std::string label;
  std::unique_ptr<unsigned char[]> storage;  // null where the caller owns the memory
  ZeroPages state;                           // a byte for each byte
  std::uint64_t race_start;                  // the address that the race shadow's offsets count from
  RaceShadow races;

  std::uint64_t end() const { return base + bytes; }
};

class Memory {
 public:
  void* allocate(std::size_t bytes, const char* label);  // 256-byte aligned; contents count as unwritten
  void release(void* pointer);
  /// Memory of the caller's own, which stays its owner; all of it may be read. Forgotten by release().
  void adopt(void* pointer, std::size_t bytes, std::string label);
  /// The allocation that holds this address, or whose end it is; null for none.
  Allocation* find(std::uint64_t address) const;
  /// The same for a whole range. Throws Error(argument) where there is none; `what` says who asked.
  Allocation& range(const void* pointer, std::size_t bytes, const char* what) const;
  void allow(const void* pointer, std::size_t bytes, const char* what);  // written by the host: may be read
  void mark(const void* pointer, std::size_t bytes, unsigned char bit, bool on, const char* what);

 private:
  std::map<std::uint64_t, std::unique_ptr<Allocation>> all_;  // by base
};

}  // namespace pagejit::emulator
