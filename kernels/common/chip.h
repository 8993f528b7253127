// What a launch is shaped for.
#pragma once
#include <string_view>

namespace pagejit {

struct Chip {
  int multiprocessors = 132;
  int shared_bytes = 227 << 10;  // of shared memory that a block may have
  bool bulk_copies = false;      // its copy engine brings rows to shared memory
};

/// The chips that a target is for ("sm_90a"), so that what is compiled ahead of time is what will be asked for: CUDA
/// C++ Programming Guide, "Technical Specifications per Compute Capability". Of chips that are not known, the least.
Chip chip_of(std::string_view target, int multiprocessors = 132);

}  // namespace pagejit
