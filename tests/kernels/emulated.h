// A context on the emulator, its sanitizer on: a finding is an error.
#pragma once
#include <memory>

#include "compiler/emulator/backend.h"
#include "kernels/api/pagejit/context.h"
#include "kernels/templates.h"
#include "tests/kernels/flatten_case.h"

namespace pagejit::tests {

class Emulated {
 public:
  Emulated()
      : backend_(new EmulatorBackend(emit_kernel, EmulatorOptions{})), context_(std::unique_ptr<Backend>(backend_)) {}

  Context& context() { return context_; }
  EmulatorBackend& backend() { return *backend_; }
  PoisonFunction poison() {
    return [this](void* at, std::size_t bytes) { backend_->poison(at, bytes); };
  }

 private:
  EmulatorBackend* backend_;
  Context context_;
};

/// One for all tests of a program: kernels that two of them need are compiled once.
inline Emulated& emulated() {
  static Emulated one;
  return one;
}

/// Runs a case there, everything that may not be read poisoned: "" or what went wrong.
inline std::string emulate(const FlattenCase& c) {
  return run_flatten(emulated().context(), c, emulated().poison());
}

}  // namespace pagejit::tests
