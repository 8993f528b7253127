// An object file that holds constants and nothing else, so that no assembler and no linker is needed to make it.
#pragma once
#include <string>
#include <vector>

namespace pagejit::precompile {

struct Constant {
  std::string symbol, bytes;
};

/// 64-bit ELF for the machine that this runs on; each constant a global object in .rodata, aligned to 64 bytes.
std::string elf_of_constants(const std::vector<Constant>& constants);

}  // namespace pagejit::precompile
