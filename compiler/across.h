// What reductions, conversions and products share: values that go from thread to thread, in registers or shared memory.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <memory>
#include <vector>

#include "compiler/convert.h"
#include "compiler/kernel.h"
#include "compiler/placement.h"

namespace pagejit {

/// A shuffle of a value of any type, in 32-bit words; `how` is an xor mask or a lane (i32).
llvm::Value* shuffled(Kernel::Builder& b, MachineOp op, llvm::Value* value, llvm::Value* how);

/// The registers of `a` that `bits` span, in that order: those of layout()->with_register_bits(bits).
Tile picked(const Tile& a, const std::vector<int>& bits);

/// The same registers, floats, as lanes of vectors of up to eight: what is made of them next is made in pairs. Copies
/// of one value stay as they are.
Tile in_vectors(const Tile& a);

/// Where each element of a tile of `layout` lies, counted in elements from the start of a buffer.
Tile offsets(Kernel& k, const Layout& layout, const Placement& placement);
/// Threads of which no bit of `free` is set: one holder of each element. Empty where `free` has no bits of lane or
/// warp.
Value one_holder(Kernel& k, const Slot& free);

/// The form in which values of a type stand in memory, and the way back.
Elem stored_as(Type type);
Tile to_stored(const Tile& a);
Tile from_stored(const Tile& a, Type type);

}  // namespace pagejit
