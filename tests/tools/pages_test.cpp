// Man pages and completions: every command and option of every program is in each, and shells and groff take them.
#include "tools/pages/pages.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/run_program.h"
#include "tools/temporary_folder.h"

using namespace pagejit;

namespace {

constexpr const char* programs[] = {"pagejit-demo", "pagejit-bench", "pagejit-precompile", "pagejit-cache"};
constexpr const char* kinds[] = {"--help-man", "--completion bash", "--completion zsh", "--completion fish"};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string printed(const std::string& command) {
  Ran ran = run_program(command);
  CAPTURE(command);
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  CHECK_FALSE(ran.out.empty());
  return ran.out;
}

bool there(const std::string& program) {
  return run_program("command -v " + program).code == 0;
}

/// "--cache" and the like, and the commands, as --help prints them.
std::set<std::string> words_of_help(const std::string& help) {
  std::set<std::string> words;
  static const std::regex option(R"(\n  (?:-\w,)?(--[a-z-]+))"), command(R"(\n  ([a-z]+) {2,})");
  for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at) words.insert((*at)[1]);
  std::string commands = help.substr(std::min(help.find("Subcommands:"), help.size()));
  for (std::sregex_iterator at(commands.begin(), commands.end(), command), end; at != end; ++at) words.insert((*at)[1]);
  return words;
}

/// As a page writes it: roff's dashes, fish's "-l name".
std::string in_page(std::string word, const std::string& kind) {
  if (kind == "--help-man") return std::regex_replace(word, std::regex("-"), "\\-");
  if (kind == "--completion fish" && word.starts_with("--")) return "-l " + word.substr(2);
  return word;
}

/// What bash would offer after these words.
std::string offered(const std::string& program, const std::string& words, const std::string& last) {
  return run_program("bash -c 'compopt() { :; }; source <(" + program + " --completion bash); COMP_WORDS=(" + program +
                     " " + words + " \"" + last + "\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _" +
                     std::regex_replace(program, std::regex("-"), "_") + "; echo ${COMPREPLY[@]}'")
      .out;
}

}  // namespace

TEST_CASE("pages: each option and command that --help shows is in the man page and in every completion") {
  for (std::string program : programs) {
    std::set<std::string> words = words_of_help(printed(program + " --help"));
    CHECK(words.size() >= 5);
    if (program == "pagejit-cache") {
      CHECK(words.contains("explain"));
      for (std::string command : std::set<std::string>(words))
        if (!command.starts_with("-")) words.merge(words_of_help(printed(program + " " + command + " --help")));
      CHECK(words.contains("--repair"));
    }
    for (std::string kind : kinds) {
      std::string page = printed(program + " " + kind);
      for (const std::string& word : words) {
        CAPTURE(program);
        CAPTURE(kind);
        CAPTURE(word);
        CHECK(has(page, in_page(word, kind)));
      }
    }
  }
}

TEST_CASE("pages: what is hidden from --help is in none of them") {
  for (std::string kind : kinds) CHECK_FALSE(has(printed("pagejit-bench " + kind), in_page("--child-load", kind)));
}

TEST_CASE("man pages: groff has nothing to warn of, and prints what --help says") {
  for (std::string program : programs) {
    std::string page = printed(program + " --help-man");
    for (char c : page) REQUIRE(static_cast<unsigned char>(c) < 0x80);  // any locale, any pager
    for (const char* section : {".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH EXIT STATUS", ".SH ENVIRONMENT"})
      CHECK(has(page, section));
    if (!there("groff")) continue;
    Ran ran = run_program(program + " --help-man | groff -man -ww -Tutf8 | sed 's/.\\x08//g; s/\\x1b\\[[0-9;]*m//g'");
    CAPTURE(program);
    CHECK(ran.err.empty());
    CHECK(has(ran.out, program));
    CHECK(has(ran.out, "--completion SHELL"));
    CHECK(has(ran.out, "PAGEJIT_CACHE_DIR"));
  }
  if (!there("groff")) MESSAGE("groff is not installed: the man pages were only looked through");
}

TEST_CASE("bash completion: commands, options, values, lists with commas, and --name=value") {
  CHECK(offered("pagejit-cache", "", "ver") == "verify\n");
  CHECK(offered("pagejit-cache", "", "ex") == "explain extract export\n");
  CHECK(offered("pagejit-cache", "verify", "--re") == "--repair\n");
  CHECK(offered("pagejit-cache", "list --sort", "regi") == "registers\n");
  CHECK(offered("pagejit-cache", "--nonsense", "") != "\n");
  CHECK(offered("pagejit-precompile", "", "--mo") == "--model\n");
  CHECK(offered("pagejit-precompile", "--emit", "f") == "fatbin\n");
  CHECK(offered("pagejit-precompile", "--emit", "ptx,cu") == "ptx,cubin\n");
  CHECK(offered("pagejit-precompile", "--quant =", "turbo") == "turbo4\n");
  CHECK(has(offered("pagejit-demo", "--model", "llama-3-8"), "llama-3-8b"));
  CHECK(offered("pagejit-bench", "--device", "") == "auto cuda emulator\n");
#if PAGEJIT_WITH_COMPILER
  CHECK(offered("pagejit-precompile", "--target", "sm_90") == "sm_90 sm_90a\n");
#endif
  TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() + "/inner");
  CHECK(offered("pagejit-demo", "--cache", folder.path() + "/in") == folder.path() + "/inner\n");
}

TEST_CASE("completions: bash, zsh and fish can read them, where they are installed") {
  struct {
    const char *shell, *check;
  } shells[] = {{"bash", "bash -n"}, {"zsh", "zsh -n"}, {"fish", "fish --no-execute"}};
  for (auto [shell, check] : shells) {
    if (!there(shell)) {
      MESSAGE(shell << " is not installed");
      continue;
    }
    for (std::string program : programs) {
      TemporaryFolder folder;
      std::string file = "'" + folder.path() + "/completion'";
      Ran ran = run_program(program + " --completion " + shell + " >" + file + " && " + check + " " + file);
      CAPTURE(program);
      CAPTURE(shell);
      CAPTURE(ran.err);
      CHECK(ran.code == 0);
      CHECK(ran.err.empty());
    }
  }
}

TEST_CASE("fish completion: a prefix gives the words that begin with it") {
  if (!there("fish")) return;
  auto offers = [](const std::string& program, const std::string& line) {
    return run_program("fish --no-config -c '" + program + " --completion fish | source; complete -C \"" + line + "\"'")
        .out;
  };
  CHECK(has(offers("pagejit-cache", "pagejit-cache ver"), "verify\t"));
  CHECK(has(offers("pagejit-cache", "pagejit-cache verify --re"), "--repair\t"));
  CHECK_FALSE(has(offers("pagejit-cache", "pagejit-cache list --re"), "--repair\t"));
  CHECK(has(offers("pagejit-precompile", "pagejit-precompile --emit cub"), "cubin"));
}

TEST_CASE("completions: another shell's name is refused") {
  Ran ran = run_program("pagejit-demo --completion tcsh");
  CHECK(ran.code == 2);
  CHECK(has(ran.err, "bash, zsh or fish"));
}
