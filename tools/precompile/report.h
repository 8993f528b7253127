// What was made: for people, for programs, and for whoever watches registers and times.
#pragma once
#include <string>

#include "tools/precompile/work.h"

namespace pagejit::precompile {

// On stdout: sorted, and the same for the same kernels wherever and whenever they are made.
std::string as_text(const Made& made);
std::string as_json(const Made& made);

/// --report: everything of each kernel, times too.
std::string report(const Made& made);

/// On stderr at the end: failures, the slowest, and one line that sums up.
std::string summary(const Made& made);

/// 0, or the code of the worst that happened.
int exit_code_of(const Made& made);

}  // namespace pagejit::precompile
