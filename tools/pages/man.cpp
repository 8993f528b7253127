// A man page in roff, of what --help shows and of what all programs share: exit codes and variables.
#include <fmt/format.h>

#include "runtime/base/settings.h"
#include "tools/cli.h"
#include "tools/pages/pages.h"

namespace pagejit::pages {
namespace {

/// The code point that begins at `at`, which moves behind it.
char32_t take_code_point(std::string_view text, std::size_t& at) {
  auto lead = static_cast<unsigned char>(text[at++]);
  int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
  char32_t code = more == 0 ? lead : lead & (0x3fu >> more);
  for (; more > 0 && at < text.size(); --more) code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3fu);
  return code;
}

/// So that roff prints the text as it is, in any locale.
std::string roff(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = take_code_point(text, at);
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";  // else it becomes a hyphen, which nobody can paste
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`' || c == '^' || c == '~' || c == '"')
      out += fmt::format("\\[u{:04X}]", static_cast<unsigned>(c));
    else if (c < 0x80)
      out += static_cast<char>(c);
    else
      out += fmt::format("\\[u{:04X}]", static_cast<unsigned>(c));
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string bold(std::string_view text) {
  return "\\fB" + roff(text) + "\\fR";
}
std::string slanted(std::string_view text) {
  return "\\fI" + roff(text) + "\\fR";
}

std::string heading(const Option& o) {
  if (o.names.empty()) return slanted(o.place) + (o.several ? " ..." : "");
  std::string text;
  for (const std::string& name : o.names) text += (text.empty() ? "" : ", ") + bold(name);
  return o.value.empty() ? text : text + " " + slanted(o.value);
}

std::string item(const std::string& heading, const std::string& text) {
  return ".TP\n" + heading + "\n" + text + "\n";
}

std::string options(const Command& command) {
  std::string text;
  for (const Option& o : command.options) {
    std::string help = roff(o.help);
    if (!o.fallback.empty()) help += fmt::format(" (default: {})", roff(o.fallback));
    if (o.required) help += " (required)";
    text += item(heading(o), help);
  }
  return text;
}

std::string synopsis(const std::string& name, const Command& command) {
  std::string line = ".B " + roff(name) + "\n";
  bool any = false;
  for (const Option& o : command.options) any = any || !o.names.empty();
  std::string rest = any ? "[" + slanted("OPTION") + " ...]" : "";
  for (const Option& o : command.options)
    if (o.names.empty()) rest += o.required ? " " + heading(o) : " [" + heading(o) + "]";
  if (!command.commands.empty()) rest += " " + slanted("COMMAND") + " ...";
  return line + rest + "\n";
}

std::string commands(const Command& program) {
  std::string text = ".SH COMMANDS\n";
  for (const Command& c : program.commands)
    text += ".SS " + roff(c.name) + "\n" + synopsis(program.name + " " + c.name, c) + ".PP\n" + roff(c.help) + ".\n" +
            options(c);
  return text;
}

std::string exit_status() {
  std::string text = ".SH EXIT STATUS\n";
  for (const cli::ExitCode& row : cli::exit_codes()) text += item(bold(std::to_string(row.code)), roff(row.meaning));
  return text + ".PP\nOf several, 4 comes before 5, and 3 comes last.\n";
}

std::string environment() {
  std::string text = ".SH ENVIRONMENT\n";
  for (const SettingRow& row : setting_rows()) {
    std::string help = roff(row.meaning);
    if (!row.fallback.empty()) help += fmt::format(" (default: {})", roff(row.fallback));
    text += item(bold(row.name), help);
  }
  return text;
}

}  // namespace

std::string man_page(const Command& program) {
  std::string title;
  for (char c : program.name) title += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  // No date: the page is the same whenever it is built.
  std::string text = fmt::format(".TH {} 1 \"\" \"pagejit {}\" \"pagejit\"\n", roff(title), PAGEJIT_VERSION);
  text += ".SH NAME\n" + roff(program.name) + " \\- " + roff(program.help) + "\n.SH SYNOPSIS\n" +
          synopsis(program.name, program);
  text += ".SH OPTIONS\n" + options(program) + item(bold("--help-man"), "Prints this page.") +
          item(bold("--completion") + " " + slanted("SHELL"), "Prints completions for bash, zsh or fish.");
  if (!program.commands.empty()) text += commands(program);
  return text + exit_status() + environment() +
         ".SH SEE ALSO\n.BR pagejit\\-cache (1),\n.BR pagejit\\-precompile (1),\n.BR pagejit\\-bench (1),\n.BR "
         "pagejit\\-demo (1)\n";
}

}  // namespace pagejit::pages
