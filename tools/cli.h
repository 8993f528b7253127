// What the programs share: one way to parse arguments, to fail, and to say what the exit code means.
#pragma once
#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>
#include <string>

#include "runtime/base/error.h"

namespace pagejit::cli {

/// 0 done · 1 I/O or internal · 2 usage · 3 not found or missing · 4 damaged or not authentic · 5 compile or assembly
/// failed · 6 unsafe permissions · 7 deadline · 8 needed program absent.
int exit_code(Code code);

constexpr int interrupted_code = 130;
/// Where several things went wrong: the code that says more. 4 before 5, 3 last of all; 0 only where both are.
int worse(int a, int b);

/// Set by the first Ctrl-C or SIGTERM from now on; a second one ends the process.
const std::atomic<bool>& stop_on_interrupt();

/// Parses the command line, then calls `body`, which gives the exit code. Errors go to stderr as one paragraph.
int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

/// Whether progress may be shown: stderr is a terminal.
bool on_terminal();

/// "a,b" and repeated options alike: every part.
std::vector<std::string> split(const std::vector<std::string>& lists);

}  // namespace pagejit::cli
