// Completion for bash: one function a program. What is completed depends on the command, and on the option before.
#include <fmt/format.h>

#include "tools/pages/pages.h"

namespace pagejit::pages {
namespace {

std::string function_name(std::string name) {
  for (char& c : name)
    if (c == '-') c = '_';
  return "_" + name;
}

/// What completes a value: a statement that fills COMPREPLY.
std::string completing(const std::string& value) {
  std::vector<std::string> words = words_of(value);
  std::string text;
  // Lists are typed with commas: what stands before the last one stays.
  if (!words.empty())
    text = fmt::format(
        "local kept=; [[ $cur == *,* ]] && kept=${{cur%,*}},; "
        "COMPREPLY=($(compgen -P \"$kept\" -W '{}' -- \"${{cur##*,}}\"))",
        fmt::join(words, " "));
  if (paths_of(value) == Paths::none) return text.empty() ? ":" : text;
  std::string paths =
      fmt::format("compopt -o filenames; mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -{} -- \"$cur\")",
                  paths_of(value) == Paths::folders ? 'd' : 'f');
  return text.empty() ? paths : text + "; " + paths;
}

std::string options_of(const Command& command) {
  std::string all;
  for (const Option& o : command.options)
    for (const std::string& name : o.names) all += (all.empty() ? "" : " ") + name;
  return all;
}

/// Cases of `command:previous word`, for the options of one command that take a value.
std::string value_cases(const Command& command, const std::string& name) {
  std::string text;
  for (const Option& o : command.options) {
    if (o.names.empty() || o.value.empty()) continue;
    std::string pattern;
    for (const std::string& option : o.names)
      pattern += fmt::format("{}'{}:{}'", pattern.empty() ? "" : " | ", name, option);
    text += fmt::format("    {}) {}; return ;;\n", pattern, completing(o.value));
  }
  return text;
}

/// One case of the command: its options after a dash, else what it takes by place.
std::string word_case(const Command& command, const std::string& name) {
  std::string by_place = ":";
  std::vector<std::string> commands;
  for (const Command& c : command.commands) commands.push_back(c.name);
  for (const Option& o : command.options)
    if (o.names.empty()) by_place = completing(o.value);
  if (!commands.empty()) by_place = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", fmt::join(commands, " "));
  return fmt::format(
      "    '{}')\n      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '{}' -- \"$cur\"))\n"
      "      else {}; fi ;;\n",
      name, options_of(command), by_place);
}

}  // namespace

std::string bash_completion(const Command& program) {
  std::string function = function_name(program.name), names, values = value_cases(program, ""),
              words = word_case(program, "");
  for (const Command& c : program.commands) {
    names += (names.empty() ? "" : " | ") + c.name;
    values += value_cases(c, c.name);
    words += word_case(c, c.name);
  }
  std::string find = names.empty() ? ""
                                   : fmt::format(R"(  local i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${{COMP_WORDS[i]}} in
      {}) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
)",
                                                 names);
  return fmt::format(R"(# bash completion of {0}, as `{0} --completion bash` prints it
{1}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command=
  # --name=value comes as three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  COMPREPLY=()
{2}  case $command:$prev in
{3}  esac
  case $command in
{4}  esac
}}
complete -F {1} {0}
)",
                     program.name, function, find, values, words);
}

}  // namespace pagejit::pages
