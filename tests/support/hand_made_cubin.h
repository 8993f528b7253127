// A cubin made by hand: the few sections that carry notes, as NVIDIA's assembler lays them out.
#pragma once
#include <cstdint>
#include <string>

namespace pagejit {

/// Two kernels. `first` has 40 registers, a frame of 16 bytes, 24 bytes of stack, 0x104 bytes of parameters, at most
/// 256 threads and a shared section of 0x600 bytes; "two" has 255 registers. `abi` 8 numbers chips in `flags` as CUDA
/// 13 does.
std::string hand_made_cubin(const std::string& first, std::uint8_t abi = 8, std::uint32_t flags = 0x06005a04);

}  // namespace pagejit
