#include "tools/pages/pages.h"

#include <fmt/format.h>

#include <string_view>

#include "runtime/base/error.h"

namespace pagejit::pages {

std::optional<std::string> asked_for(const CLI::App& app, int argc, const char* const* argv) {
  std::string_view first = argc > 1 ? argv[1] : "", second = argc > 2 ? argv[2] : "";
  if (first == "--help-man" && argc == 2) return man_page(tree_of(app));
  if (first != "--completion") return std::nullopt;
  if (second == "bash") return bash_completion(tree_of(app));
  if (second == "zsh") return zsh_completion(tree_of(app));
  if (second == "fish") return fish_completion(tree_of(app));
  fail(Code::argument, fmt::format("--completion does not know the shell '{}'", second),
       {{"expected", "bash, zsh or fish"}});
}

}  // namespace pagejit::pages
