// Small kernels made by hand, straight on the emulator's lowering: no tile language, so that each one does exactly what
// its test says, wrong or right.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/emulator/backend.h"
#include "compiler/emulator/lowering.h"
#include "runtime/base/error.h"

namespace pagejit::test {

/// What every hand-made kernel takes.
struct HandParams {
  DevicePtr in;
  DevicePtr out;
  std::int64_t count = 0;

  static constexpr auto fields() {
    using P = HandParams;
    return std::tuple{field<&P::in>("in"), field<&P::out>("out"), field<&P::count>("count")};
  }
};

/// An IRBuilder with the lowering beside it.
class HandKernel {
 public:
  HandKernel(Lowering& lowering, Emitted& made);
  llvm::IRBuilder<>& ir() { return ir_; }
  llvm::Value* i32(int value) { return ir_.getInt32(static_cast<unsigned>(value)); }
  llvm::Value* i64(std::int64_t value) { return ir_.getInt64(static_cast<std::uint64_t>(value)); }
  llvm::Value* op(MachineOp op, llvm::ArrayRef<llvm::Value*> operands = {}) { return lowering_.op(ir_, op, operands); }
  llvm::Value* part(llvm::Value* results, unsigned i) { return ir_.CreateExtractValue(results, i); }
  llvm::Value* thread() { return op(MachineOp::thread_id); }
  llvm::Value* count() { return ir_.CreateTrunc(lowering_.param(ir_, 16, ir_.getInt64Ty()), ir_.getInt32Ty()); }

  /// The tensors "in" and "out", and one tile of shared memory after another; gives the site.
  int in(Elem elem);
  int out(Elem elem);
  int tile(const char* name, Elem elem, int elements);
  /// The address of an element (an i32): i64 for global, i32 for shared.
  llvm::Value* at(int site, llvm::Value* index);
  llvm::Value* load(int site, llvm::Value* index, llvm::Type* elem, int count = 1, llvm::Value* mask = nullptr);
  void store(int site, llvm::Value* index, llvm::Value* value, llvm::Value* mask = nullptr);
  void barrier() { op(MachineOp::barrier); }
  void when(llvm::Value* condition, const std::function<void()>& then, const std::function<void()>& otherwise = {});
  void finish(int block);

 private:
  llvm::Value* base(int site);
  Lowering& lowering_;
  Emitted& made_;
  llvm::IRBuilder<> ir_;
  llvm::Function* function_ = nullptr;
  int shared_ = 0;
};

/// An emulator whose kernels are those given here, and buffers on it.
class HandEmulator {
 public:
  using Body = std::function<void(HandKernel&)>;
  explicit HandEmulator(EmulatorOptions options = {.throw_on_finding = false});
  /// Compiles `body` as "hand" and runs it over `grid`; gives what was found.
  std::vector<Finding> run(int block, const HandParams& params, const Body& body, Grid grid = {});

  template <class T>
  void* buffer(const char* label, const std::vector<T>& contents) {
    void* p = backend.allocate(contents.size() * sizeof(T), label);
    backend.copy_in(p, contents.data(), contents.size() * sizeof(T), nullptr);
    return p;
  }
  /// Contents uninitialised.
  void* room(const char* label, std::size_t bytes) { return backend.allocate(bytes, label); }
  template <class T>
  std::vector<T> contents(const void* p, std::size_t elements) {
    std::vector<T> all(elements);
    backend.copy_out(all.data(), p, elements * sizeof(T), nullptr);
    return all;
  }

  EmulatorBackend backend;

 private:
  Emitted emit(Lowering& lowering);
  Body body_;
  int block_ = 32;
  int kernels_ = 0;
};

std::vector<float> random_floats(std::mt19937_64& random, std::size_t count);

}  // namespace pagejit::test
