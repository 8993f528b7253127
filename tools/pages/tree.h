// A program's commands and options as plain data: what --help shows, for pages and completions to be made of.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace pagejit::pages {

struct Option {
  std::vector<std::string> names;  // "-h", "--help"; none: it is told by its place
  std::string place;               // the name of such an argument
  std::string value;               // what stands for its value, "DIR"; empty: a flag
  std::string help, fallback;
  bool required = false, several = false;
};

struct Command {
  std::string name, help;
  std::vector<Option> options;  // those that --help shows, in its order
  std::vector<Command> commands;
};

Command tree_of(const CLI::App& app);

/// The words that a value of this name may be, where they are few and known: of "TARGET", "MODEL", "SHELL".
std::vector<std::string> words_of(const std::string& value);
enum class Paths { none, files, folders };
/// Which paths complete such a value.
Paths paths_of(const std::string& value);

}  // namespace pagejit::pages
