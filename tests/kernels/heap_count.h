// Counts what a thread takes from the heap, in the whole program.
#pragma once
#include <cstdint>

namespace pagejit::tests {

/// Calls of operator new by this thread so far.
std::uint64_t heap_allocations();

}  // namespace pagejit::tests
