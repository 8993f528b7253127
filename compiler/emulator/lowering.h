// The tile language's operations as calls into the emulator.
#pragma once
#include <memory>

#include "compiler/lowering.h"

namespace pagejit {

/// A kernel becomes `void name(ptr thread, ptr params)`; every operation becomes a call of emu_<operation>(thread, …).
std::unique_ptr<Lowering> make_emulator_lowering();

}  // namespace pagejit
