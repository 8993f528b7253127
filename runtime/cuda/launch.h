// One launch: grid, attributes, Params by value. Nothing here allocates, locks or waits.
#pragma once
#include "runtime/backend.h"
#include "runtime/cuda/module.h"

namespace pagejit::cuda {

/// Throws Error(argument) for a grid that no device takes, Error(driver) where the launch fails. The device's context
/// must be current.
void launch_kernel(const Driver& driver, const CudaKernel& kernel, Grid grid, const void* params, StreamHandle stream);

}  // namespace pagejit::cuda
