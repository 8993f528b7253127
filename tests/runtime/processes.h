// Real processes that share one cache.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tests/runtime/support.h"

namespace pagejit::testing {

/// Ends the child when `act` has returned (exit code 0) or thrown (1, and what it threw on stderr).
int start_child(const std::function<void()>& act);
/// Starts `count` children, lets all of them begin at one moment, and waits. Gives the milliseconds that took; every
/// child must have ended well.
double run_children(int count, const std::function<void(int)>& act);
/// Waits for a child and says whether it ended with exit code 0.
bool ended_well(int pid);

/// A compiler that takes a fixed time, and counts over all processes: a byte of a file for each compile.
class SlowCompiler : public CountingCompiler {
 public:
  SlowCompiler(std::string count_file, int ms);

 private:
  std::string count_file_;
};
/// How many compiles a count file holds.
std::size_t compiles_in(const std::string& count_file);

}  // namespace pagejit::testing
