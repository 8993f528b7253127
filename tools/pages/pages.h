// What every program can print of itself beside --help: a man page and completions for shells.
//
//   PROGRAM --help-man                     man page in roff: `pagejit-cache --help-man | man -l -`
//   PROGRAM --completion bash|zsh|fish     `source <(pagejit-cache --completion bash)`
#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "tools/pages/tree.h"

namespace pagejit::pages {

std::string man_page(const Command& program);
std::string bash_completion(const Command& program);
std::string zsh_completion(const Command& program);
std::string fish_completion(const Command& program);

/// The page that a command line asks for, if it asks for one. Throws Error(argument) for a shell that is not known.
std::optional<std::string> asked_for(const CLI::App& app, int argc, const char* const* argv);

}  // namespace pagejit::pages
