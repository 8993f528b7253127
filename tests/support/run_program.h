// Runs one of the project's programs as a user would, and catches what it says.
#pragma once
#include <string>

namespace pagejit {

struct Ran {
  int code = -1;  // exit code; −1: ended by a signal
  std::string out, err;
};

/// `command` is a shell command line; a first word such as "pagejit-cache" is looked for among the programs of this
/// build.
Ran run_program(const std::string& command);

}  // namespace pagejit
