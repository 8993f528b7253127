// From the name of a device to a backend.
#pragma once
#include <memory>

#include "kernels/api/pagejit/context.h"
#include "runtime/backend.h"

namespace pagejit {

/// Throws Error(argument) for a device or mode that there is not, Error(absent) where the machine has none.
std::unique_ptr<Backend> make_backend(const Options& options);

}  // namespace pagejit
