// What the tests of bundles, remote stores and adopted/ share.
#pragma once
#include <string>

#include "runtime/cache/layers.h"
#include "tests/runtime/support.h"

namespace pagejit::testing {

/// A kernel with a cubin for chip 9.0, made by "llvm=22.1.8" and driver 13000.
Artifact sample_artifact_of(int page);
/// Its entry without HISTORY, and the entry's name.
std::string sample_entry(int page);
std::string entry_name_of(int page);

/// What a process asks for that has that compiler and that driver, or only the driver.
cache::Wanted wanted_by_compiler(const Request& request);
cache::Wanted wanted_without_compiler(const Request& request);

}  // namespace pagejit::testing
