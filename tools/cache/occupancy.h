// How many threads of a multiprocessor a kernel can keep busy, and what keeps it from more.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/artifact.h"

namespace pagejit::cache_tool {

struct Occupancy {
  int blocks = 0;            // on a multiprocessor at a time
  int percent = 0;           // of the warps that it can hold
  std::string_view limiter;  // "registers", "shared memory", "blocks", "warps"
};

/// Of a kernel as it was compiled, with the shared memory that its facts name. Nothing where the target is not known,
/// or nobody has counted its registers.
std::optional<Occupancy> occupancy_of(const KernelFacts& facts, const std::string& target);

}  // namespace pagejit::cache_tool
