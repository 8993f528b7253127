// The file `stats.log`: a line of counters a process and ten minutes.
#pragma once
#include <vector>

#include "runtime/cache/counters.h"

namespace pagejit::cache {

/// One write, and nothing where there is nothing to say or the folder is read-only.
void append_stats(int folder, const Counters& counters);
/// In the order in which they were written; damaged lines are skipped.
std::vector<Counters> read_stats(int folder);
/// Where the file is over 1 MiB, one line says the sum of all.
void fold_stats(int folder);
/// Forgets everything, as `stats --zero` asks. Says whether it could.
bool zero_stats(int folder);

}  // namespace pagejit::cache
