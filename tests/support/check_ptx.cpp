#include "tests/support/check_ptx.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

#include "runtime/base/settings.h"
#include "tools/temporary_folder.h"

extern char** environ;

namespace pagejit::test {
namespace {

std::string squeezed(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool blank = c == ' ' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ' || out.back() == '\n')) continue;
    out += blank ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct Check {
  bool negative;
  std::string what;
};

std::vector<Check> parse(std::string_view checks) {
  std::vector<Check> all;
  std::istringstream lines{std::string(checks)};
  for (std::string line; std::getline(lines, line);) {
    line = squeezed(line);
    if (line.empty()) continue;
    std::size_t colon = line.find(':');
    std::string kind = line.substr(0, colon);
    bool known = kind == "CHECK" || kind == "CHECK-LABEL" || kind == "CHECK-NOT";
    REQUIRE_MESSAGE((known && colon != std::string::npos), "not a check: ", line);
    all.push_back({kind == "CHECK-NOT", squeezed(line.substr(colon + 1))});
  }
  return all;
}

/// The first of $PAGEJIT_PTXAS and the folders of PATH that has the program.
std::string find_ptxas() {
  const Settings& settings = Settings::process();
  if (!settings.ptxas.empty()) return settings.ptxas;
  std::istringstream folders(settings.path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (std::string file = folder + "/ptxas"; ::access(file.c_str(), X_OK) == 0) return file;
  return "";
}

int run(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE_MESSAGE(failed == 0, "could not start ", words[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

int number_before(const std::string& text, const std::string& after) {
  std::size_t at = text.find(after);
  if (at == std::string::npos) return 0;
  std::size_t first = text.find_last_not_of("0123456789", at - 1);
  return std::stoi(text.substr(first + 1, at - first - 1));
}

}  // namespace

void check_ptx(std::string_view text, std::string_view checks) {
  std::string body = squeezed(text);
  std::size_t at = 0;
  std::vector<std::string> forbidden;
  auto none_between = [&](std::size_t from, std::size_t to) {
    for (const std::string& what : forbidden)
      CHECK_MESSAGE(body.substr(from, to - from).find(what) == std::string::npos, "found, and should not be: ", what,
                    "\n", body);
    forbidden.clear();
  };
  for (const Check& check : parse(checks)) {
    if (check.negative) {
      forbidden.push_back(check.what);
      continue;
    }
    std::size_t found = body.find(check.what, at);
    REQUIRE_MESSAGE(found != std::string::npos, "not found from there on: ", check.what, "\n", body.substr(at));
    none_between(at, found);
    at = found + check.what.size();
  }
  none_between(at, body.size());
}

int count(std::string_view text, std::string_view what) {
  int n = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

std::optional<Assembled> assemble(std::string_view ptx, std::string_view target) {
  static const std::string program = find_ptxas();
  if (program.empty()) return std::nullopt;
  TemporaryFolder folder;
  const std::string& base = folder.path();
  std::ofstream(base + "/kernel.ptx") << ptx;
  int status = run({program, "-v", "-arch=" + std::string(target), base + "/kernel.ptx", "-o", base + "/kernel.cubin"},
                   base + "/log");
  std::stringstream log;
  log << std::ifstream(base + "/log").rdbuf();
  Assembled a;
  a.accepted = status == 0;
  a.log = log.str();
  std::size_t used = a.log.find("Used ");
  if (used != std::string::npos) a.registers = std::stoi(a.log.substr(used + 5));
  a.stack = number_before(a.log, " bytes stack frame");
  a.spill_stores = number_before(a.log, " bytes spill stores");
  a.spill_loads = number_before(a.log, " bytes spill loads");
  return a;
}

}  // namespace pagejit::test
