// Four bytes of a tile at a time, in one 32-bit register.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <array>
#include <functional>

#include "compiler/builder.h"

namespace pagejit {

using Four = std::array<llvm::Value*, 4>;

/// f32 of i8: `decode` takes a word and gives the floats of its bytes, the lowest first. Lanes of a vector stay lanes
/// of one; of a byte that stands alone the word is that byte, and only the first float counts.
Tile decoded(const Tile& bytes, const std::function<Four(llvm::Value* word)>& decode);
/// i8 of f32: `encode` takes the floats of four neighbouring registers and gives a word, the first in the lowest byte.
/// Where there are fewer than four, the rest are zeros.
Tile encoded(const Tile& values, const std::function<llvm::Value*(const Four& floats)>& encode);

/// Bytes of a (0 … 3) and b (4 … 7), chosen by the hexadecimal digits of `choice`, the lowest byte by the last digit.
llvm::Value* chosen_bytes(Kernel::Builder& b, llvm::Value* a, llvm::Value* other, unsigned choice);

}  // namespace pagejit
