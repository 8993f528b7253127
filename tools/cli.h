// What the programs share: one way to parse arguments, to fail, and to say what the exit code means.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "runtime/base/error.h"

namespace pagejit::cli {

/// 0 done · 1 I/O or internal · 2 usage · 3 not found or missing · 4 damaged or not authentic · 5 compile or assembly
/// failed · 6 unsafe permissions · 7 deadline · 8 needed program absent.
int exit_code(Code code);

/// Parses the command line, then calls `body`, which gives the exit code. Errors go to stderr as one paragraph.
int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

/// Whether progress may be shown: stderr is a terminal.
bool on_terminal();

/// "a,b" and repeated options alike: every part.
std::vector<std::string> split(const std::vector<std::string>& lists);

}  // namespace pagejit::cli
