// The functions that compiled kernels call: one for each machine operation, and a load and a store.
#pragma once
#include <span>

namespace pagejit::emulator {

struct HostSymbol {
  const char* name;
  const void* address;
};

/// emu_<name> for every row of machine_ops.def, emu_load, emu_store, and what compiled code needs of the C library.
/// Every function takes the thread first; an operation with several results takes a place for them next.
std::span<const HostSymbol> host_symbols();

}  // namespace pagejit::emulator
