// What a fresh process waits for its first kernel: compiling it, or loading it from a warm cache. Each sample is a
// process.
#pragma once
#include <optional>
#include <string>

#include "tools/stopwatch.h"

namespace pagejit::bench {

struct StartUp {
  std::optional<Timing> compile_ms;  // Spec → PTX, nothing cached; without the compiler: nothing
  std::optional<Timing> load_ms;  // Spec → loaded kernel from the disk cache, after the driver has started; GPU only
};

StartUp measure_start_up(const std::string& spec, const std::string& target, bool gpu);

/// What the child processes do: one of the two, then one number on stdout.
int child_compile(const std::string& spec, const std::string& target);
int child_load(const std::string& spec, const std::string& cache);

}  // namespace pagejit::bench
