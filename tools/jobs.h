// Several things at a time.
#pragma once
#include <cstddef>
#include <functional>

namespace pagejit {

/// PAGEJIT_JOBS, else as many as there are CPUs.
std::size_t usual_jobs();

/// Calls act(0) … act(count − 1), each once and on any of `jobs` threads. What the first one throws is thrown here once
/// all have ended; no other is begun then.
void in_parallel(std::size_t count, std::size_t jobs, const std::function<void(std::size_t)>& act);

}  // namespace pagejit
