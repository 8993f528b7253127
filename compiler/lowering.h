// What a target must be able to make. The tile language speaks to this; nvptx/ and emulator/ implement it.
//
// Addresses are integers on both targets: i64 for global memory, i32 for shared memory (an offset into the
// shared window). So nothing depends on LLVM's address spaces, and arithmetic on addresses is plain arithmetic.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/machine_op.h"
#include "compiler/target.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit {

enum class Space { global, shared };

/// One place in a template that touches memory: what findings call it.
struct Site {
  std::string tensor;    // "k_cache"; a shared tile's name
  Elem elem = Elem::u8;  // findings count their index in these
  Space space = Space::global;
  int param_offset = -1;  // global: where the base pointer stands in Params
  int shared_offset = 0;  // shared: where the tile starts in the window
  int shared_bytes = 0;   // shared: how long the tile is
};

/// One access of one thread: `count` neighbouring elements in one instruction (count × bytes(elem) is 1, 2, 4, 8 or
/// 16).
struct Access {
  Space space = Space::global;
  llvm::Type* elem = nullptr;
  int count = 1;
  int bytes = 0;         // all of the access; the address is a multiple of it
  int site = 0;          // index into the kernel's sites
  bool past_l1 = false;  // a global load of what other kernels write meanwhile: neither from L1 nor left there
};

/// The type of a result or operand, by its letter in machine_ops.def.
llvm::Type* operand_type(llvm::IRBuilder<>& b, char kind);

class Lowering {
 public:
  virtual ~Lowering() = default;
  virtual const Target& target() const = 0;

  /// Makes the function `name` in `module` and points `b` into its entry block. `fields` and `bytes` describe Params.
  virtual llvm::Function* begin(llvm::Module& module, llvm::IRBuilder<>& b, std::string_view name,
                                std::span<const ParamField> fields, int bytes, int block) = 0;
  /// The parameter at `offset` as a value of `type` (pointers are i64).
  virtual llvm::Value* param(llvm::IRBuilder<>& b, int offset, llvm::Type* type) = 0;

  /// Where the parameter at `offset` lies (i64): for those that are read by address.
  virtual llvm::Value* param_address(llvm::IRBuilder<>& b, int offset) = 0;

  /// One machine operation. Several results come as a struct value. Throws Error(unsupported) where the target lacks
  /// it.
  virtual llvm::Value* op(llvm::IRBuilder<>& b, MachineOp op, llvm::ArrayRef<llvm::Value*> operands) = 0;

  /// Loads access.count elements as a vector (a scalar for count 1). A false `mask` (i1; null is true) touches nothing
  /// and gives zeros.
  virtual llvm::Value* load(llvm::IRBuilder<>& b, const Access& access, llvm::Value* address, llvm::Value* mask) = 0;
  /// Stores a vector (a scalar for count 1). A false `mask` touches nothing.
  virtual void store(llvm::IRBuilder<>& b, const Access& access, llvm::Value* address, llvm::Value* value,
                     llvm::Value* mask) = 0;
  /// Where the kernel's shared window begins (i32). Its size is known at finish().
  virtual llvm::Value* shared_base(llvm::IRBuilder<>& b) = 0;
  /// After the last block has its return: `shared_bytes` is the window's size.
  virtual void finish(llvm::Module& module, llvm::Function& function, int shared_bytes) = 0;
};

}  // namespace pagejit
