// Emitted kernels to host code that can be called.
#pragma once
#include <memory>

#include "compiler/emitted.h"
#include "compiler/emulator/machine.h"

namespace pagejit::emulator {

/// Compiles for the plainest CPU of the host's kind, so that results do not depend on the machine. Thread-safe.
class Jit {
 public:
  Jit();
  ~Jit();
  /// The code lives as long as the Jit. Throws Error(internal) with the broken IR's complaint, or the linker's.
  Entry compile(Emitted& kernel);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace pagejit::emulator
