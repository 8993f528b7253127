// Threads of a block as fibers: a stack each, switched by hand. A fiber may be abandoned at any point (a kernel that
// deadlocked is never unwound), which is why this stands on Boost's fcontext rather than on its fiber class.
#pragma once
#include <cstddef>

namespace pagejit::emulator {

/// Stacks of one size in one mapping, a guard page below each.
class Stacks {
 public:
  explicit Stacks(std::size_t count);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  void* top(std::size_t i) const;  // stacks grow down from here
  static constexpr std::size_t size = 128 << 10;

 private:
  std::size_t bytes_;
  char* memory_;
};

/// The place where a fiber, or the host that runs it, goes on.
class Fiber {
 public:
  /// Forgets what ran here and starts `entry(argument)` at the next resume(). `entry` never returns.
  void prepare(void* stack_top, void (*entry)(void*), void* argument);
  bool prepared() const { return context_ != nullptr; }
  /// From the host: runs the fiber until it calls suspend().
  void resume();
  /// From the fiber: back to whoever resumed it.
  void suspend();

 private:
  void* context_ = nullptr;  // of the fiber while it is suspended
  void* host_ = nullptr;     // of the host while the fiber runs
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* stack_top_ = nullptr;
  // What the address sanitizer wants to know about a switch.
  void* fake_stack_ = nullptr;
  const void* host_stack_ = nullptr;
  std::size_t host_stack_size_ = 0;
  friend struct FiberEntry;
};

}  // namespace pagejit::emulator
