// Emitted kernels to host code that can be called.
#pragma once
#include <memory>
#include <string>

#include "compiler/emitted.h"
#include "compiler/emulator/machine.h"

namespace pagejit::emulator {

/// Compiles for the plainest CPU of the host's kind, so that results do not depend on the machine. Thread-safe.
class Jit {
 public:
  Jit();
  ~Jit();
  /// The code lives as long as the Jit. `name` must differ from kernel to kernel. Throws Error(internal) with the
  /// broken IR's complaint, or the linker's.
  Entry compile(Emitted& kernel, const std::string& name);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace pagejit::emulator
