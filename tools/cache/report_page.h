// The parts of the page that `pagejit-cache report` writes.
#pragma once
#include <string>
#include <vector>

#include "runtime/cache/counters.h"
#include "tools/cache/store.h"

namespace pagejit::cache_tool {

/// The page's <style>: light and dark, wide and narrow, screen and paper.
std::string report_style();

/// What the kernels are and need, and what came of asking for them.
std::string report_charts(const std::vector<Listed>& entries, const cache::Counters& counters);

/// Every kernel, a table a family. What all kernels of a family have in common is said once, above its table.
std::string report_kernels(const std::vector<Listed>& entries);

}  // namespace pagejit::cache_tool
