// Completion for fish: one `complete` line an option.
#include <fmt/format.h>

#include "tools/pages/pages.h"

namespace pagejit::pages {
namespace {

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

/// What its value may be: words, folders, files, or nothing that can be known.
std::string completing(const std::string& value) {
  std::vector<std::string> words = words_of(value);
  std::string text;
  if (!words.empty()) text = fmt::format(" -a {}", in_quotes(fmt::format("{}", fmt::join(words, " "))));
  if (paths_of(value) == Paths::folders) text += " -a '(__fish_complete_directories)'";
  if (paths_of(value) == Paths::files) text += " -F";
  return text;
}

std::string lines(const Command& command, const std::string& start) {
  std::string text;
  for (const Option& o : command.options) {
    if (o.names.empty()) {
      if (std::string values = completing(o.value); !values.empty()) text += start + values + "\n";
      continue;
    }
    std::string line = start;
    for (const std::string& name : o.names)
      line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    if (!o.value.empty()) line += " -r" + completing(o.value);
    text += fmt::format("{} -d {}\n", line, in_quotes(o.help));
  }
  return text;
}

}  // namespace

std::string fish_completion(const Command& program) {
  std::string start = "complete -c " + program.name,
              text = fmt::format("# fish completion of {0}, as `{0} --completion fish` prints it\n{1} -f\n",
                                 program.name, start);
  if (program.commands.empty()) return text + lines(program, start);
  text += lines(program, start + " -n __fish_use_subcommand");
  for (const Command& c : program.commands) {
    text += fmt::format("{} -n __fish_use_subcommand -a {} -d {}\n", start, c.name, in_quotes(c.help));
    text += lines(c, fmt::format("{} -n '__fish_seen_subcommand_from {}'", start, c.name));
  }
  return text;
}

}  // namespace pagejit::pages
