// A kernel that reads as fast as it can and writes nothing: the ceiling of all that mostly reads.
#pragma once
#include <pagejit/context.h>

#include <cstddef>

#include "tools/stopwatch.h"

namespace pagejit::bench {

/// GB/s of reading `bytes` at `from`; `scratch` is never written, but the compiler cannot know. 0 without the compiler.
double read_only_gbps(Context& context, Stopwatch& watch, const void* from, void* scratch, std::size_t bytes);

}  // namespace pagejit::bench
