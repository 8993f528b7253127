// What the programs share: one way to parse arguments, to fail, and to say what the exit code means.
#pragma once
#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>
#include <span>
#include <string>

#include "runtime/base/error.h"

namespace pagejit::cli {

constexpr int interrupted_code = 130;

struct ExitCode {
  int code;
  const char* meaning;
};
/// Every exit code there is.
std::span<const ExitCode> exit_codes();
int exit_code(Code code);

/// Where several things went wrong: the code that says more. 4 before 5, 3 last of all; 0 only where both are.
int worse(int a, int b);

/// Set by the first Ctrl-C or SIGTERM from now on; a second one ends the process.
const std::atomic<bool>& stop_on_interrupt();

/// Parses the command line, then calls `body`, which gives the exit code. Errors go to stderr as one paragraph. Prints
/// the pages that every program has (tools/pages/pages.h) where they are asked for.
int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

/// Whether progress may be shown: stderr is a terminal.
bool on_terminal();

/// "a,b" and repeated options alike: every part.
std::vector<std::string> split(const std::vector<std::string>& lists);

}  // namespace pagejit::cli
