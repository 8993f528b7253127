// Who turns PTX into machine code, as the engine sees it: the driver does (cuda/assembler.h); a program could as well.
#pragma once
#include <string>

#include "runtime/base/artifact.h"

namespace pagejit {

class Assembler {
 public:
  virtual ~Assembler() = default;
  /// "assembler=driver 13000\ncubin=9.0": its part of a producer text.
  virtual std::string producer() const = 0;
  /// The only chip that its cubins run on: "9.0".
  virtual std::string chip() const = 0;
  /// The driver's version, 13000 for 13.0.
  virtual int driver() const = 0;
  /// Fills cubin, and in facts what only an assembler knows. Thread-safe. Throws Error(compile | too_new | driver).
  virtual void assemble(Artifact& artifact) = 0;
};

}  // namespace pagejit
