// Taking entries out of a cache folder, for `trim` and `clear`.
#pragma once
#include <string>
#include <vector>

#include "tools/cache/store.h"

namespace pagejit::cache_tool {

/// Removes `goes`, or with `dry_run` only says what would go; prints that and what stays. Gives the exit code.
int remove_and_print(const Store& store, const std::vector<cache::EntryFile>& goes, bool dry_run, bool json);

}  // namespace pagejit::cache_tool
