// Completion for zsh, by its _arguments.
#include <fmt/format.h>

#include "tools/pages/pages.h"

namespace pagejit::pages {
namespace {

/// A text between single quotes, where `marks` of _arguments count as text.
std::string plain(std::string_view text, std::string_view marks) {
  std::string out;
  for (char c : text) {
    if (marks.find(c) != std::string_view::npos) out += '\\';
    out += c;
    if (c == '\'') out += "\\''";  // ends the quotes, a quote, begins them again
  }
  return out;
}

/// ":TARGET:(sm_80 sm_90a)": what follows an option, or stands for an argument.
std::string completing(const std::string& message, const Option& o) {
  std::vector<std::string> words = words_of(o.value);
  std::string list = fmt::format("({})", fmt::join(words, " ")), action = " ";
  if (!words.empty() && paths_of(o.value) == Paths::files)
    action = fmt::format(" _alternative \"files\\:file\\:_files\" \"words\\:{}\\:{}\"", o.value, list);
  else if (!words.empty())
    action = o.several ? fmt::format(" _values -s , {} {}", o.value, fmt::join(words, " ")) : list;
  else if (paths_of(o.value) == Paths::folders)
    action = "_files -/";
  else if (paths_of(o.value) == Paths::files)
    action = "_files";
  return fmt::format(":{}:{}", plain(message, ":\\"), action);
}

std::string argument(const Option& o) {
  if (o.names.empty()) return fmt::format("'{}{}'", o.several ? "*" : "", completing(o.place, o));
  std::string all, help = plain(o.help, "[]:\\"), value = o.value.empty() ? "" : completing(o.value, o);
  for (const std::string& name : o.names) {
    std::string equals = o.value.empty() || !name.starts_with("--") ? "" : "=";
    all += fmt::format("{}'{}{}{}[{}]{}'", all.empty() ? "" : " ", o.several ? "*" : "", name, equals, help, value);
  }
  return all;
}

std::string arguments(const Command& command, const std::string& indent) {
  std::string text;
  for (const Option& o : command.options) text += fmt::format(" \\\n{}{}", indent, argument(o));
  return text;
}

}  // namespace

std::string zsh_completion(const Command& program) {
  std::string text =
      fmt::format("#compdef {0}\n# zsh completion of {0}, as `{0} --completion zsh` prints it\n", program.name);
  if (program.commands.empty()) return text + "_arguments -S" + arguments(program, "  ") + "\n";
  std::string commands, cases;
  for (const Command& c : program.commands) {
    commands += fmt::format("      '{}:{}'\n", c.name, plain(c.help, ":\\"));
    cases += fmt::format("    {})\n      _arguments -S{} ;;\n", c.name, arguments(c, "        "));
  }
  return text + fmt::format(R"(local context state line
typeset -A opt_args
_arguments -S -C{} \
  '1: :->command' '*:: :->rest'
case $state in
  command)
    local -a commands
    commands=(
{}    )
    _describe command commands ;;
  rest)
    case $words[1] in
{}    esac ;;
esac
)",
                            arguments(program, "  "), commands, cases);
}

}  // namespace pagejit::pages
