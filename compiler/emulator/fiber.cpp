#include "compiler/emulator/fiber.h"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define PJ_ASAN(...) __VA_ARGS__
#else
#define PJ_ASAN(...)
#endif

namespace pagejit::emulator {
namespace {
namespace ctx = boost::context::detail;
constexpr std::size_t guard = 4096, slack = 4096;
}  // namespace

Stacks::Stacks(std::size_t count) : bytes_(count * (size + slack + guard)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  for (std::size_t i = 0; i < count; ++i) mprotect(memory_ + i * (size + slack + guard), guard, PROT_NONE);
}

Stacks::~Stacks() {
  munmap(memory_, bytes_);
}
void* Stacks::top(std::size_t i) const {
  // Tops at one place of every page would fight for the same few lines of the first-level cache.
  std::size_t stagger = i * 576 % 4096;
  return memory_ + (i + 1) * (size + slack + guard) - stagger;
}

struct FiberEntry {
  static void run(ctx::transfer_t from) {
    Fiber& self = *static_cast<Fiber*>(from.data);
    self.host_ = from.fctx;
    PJ_ASAN(__sanitizer_finish_switch_fiber(nullptr, &self.host_stack_, &self.host_stack_size_);)
    self.entry_(self.argument_);
    std::abort();  // entry never returns: there is nothing to return to
  }
};

void Fiber::prepare(void* stack_top, void (*entry)(void*), void* argument) {
  stack_top_ = stack_top;
  entry_ = entry;
  argument_ = argument;
  fake_stack_ = nullptr;
  // Frames of a fiber that was abandoned never cleared their marks.
  PJ_ASAN(__asan_unpoison_memory_region(static_cast<char*>(stack_top) - Stacks::size, Stacks::size);)
  context_ = ctx::make_fcontext(stack_top, Stacks::size, FiberEntry::run);
}

void Fiber::resume() {
  PJ_ASAN(void* mine = nullptr;
          __sanitizer_start_switch_fiber(&mine, static_cast<char*>(stack_top_) - Stacks::size, Stacks::size);)
  ctx::transfer_t back = ctx::jump_fcontext(context_, this);
  PJ_ASAN(__sanitizer_finish_switch_fiber(mine, nullptr, nullptr);)
  context_ = back.fctx;
}

void Fiber::suspend() {
  PJ_ASAN(__sanitizer_start_switch_fiber(&fake_stack_, host_stack_, host_stack_size_);)
  ctx::transfer_t back = ctx::jump_fcontext(host_, this);
  PJ_ASAN(__sanitizer_finish_switch_fiber(fake_stack_, &host_stack_, &host_stack_size_);)
  host_ = back.fctx;
}

}  // namespace pagejit::emulator
