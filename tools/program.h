// Other programs: finding one, and running it as a child that never outlives its deadline.
#pragma once
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

namespace pagejit {

/// The first of the folders of `path` (as in PATH) and of `also` that has an executable `name`; empty: none has.
std::string find_program(const std::string& name, const std::string& path, const std::vector<std::string>& also = {});

struct Command {
  std::vector<std::string> words;  // the first is the program's file
  std::string folder = {};         // in which it runs, so that no path of ours shows in what it writes
  std::string path = {};           // its PATH; it sees no other variable of ours
  std::chrono::milliseconds limit{120'000};
  const std::atomic<bool>* stop = nullptr;  // set from outside: the child ends at once
};

struct Finished {
  int code = -1;  // exit code; 128 + number of the signal that ended it
  bool too_late = false, stopped = false;
  std::string said;  // stdout and stderr together, at most a MiB of it
};

/// Throws Error(absent) where the program cannot be started.
Finished run_command(const Command& command);

}  // namespace pagejit
