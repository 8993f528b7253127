// The tile language's machine operations as NVVM intrinsics and inline PTX.
#pragma once
#include <memory>

#include "compiler/lowering.h"

namespace pagejit {

std::unique_ptr<Lowering> make_nvptx_lowering(const Target& target);

}  // namespace pagejit
