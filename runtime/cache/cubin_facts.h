// What machine code says of itself: resources from the notes that NVIDIA's assembler leaves in every cubin. For cubins
// of which nothing else is known.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/artifact.h"

namespace pagejit::cache {

/// One kernel of a cubin; −1: the cubin does not say.
struct CubinKernel {
  std::string symbol;
  int registers = -1;     // a thread
  int frame_bytes = -1;   // of the stack, a thread
  int stack_bytes = -1;   // least stack, with all that is called
  int param_bytes = -1;   // of the parameters
  int max_threads = -1;   // a block
  int static_shared = 0;  // bytes
};

/// Every kernel in the order of their names. Throws Error(damaged) where the bytes are no cubin or point outside
/// themselves.
std::vector<CubinKernel> read_cubin(std::string_view cubin);

/// Fills in what `facts` do not know yet about the kernel `facts.symbol`, from a cubin that has it.
void add_cubin_facts(KernelFacts& facts, std::string_view cubin);

}  // namespace pagejit::cache
