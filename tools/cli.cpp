#include "tools/cli.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>

#include "tools/pages/pages.h"

namespace pagejit::cli {
namespace {
constexpr ExitCode codes[] = {{0, "done"},
                              {1, "an input or output failed, a result is wrong, or a bug of pagejit"},
                              {2, "the command line or a file that it names is wrong"},
                              {3, "not found, or something is missing"},
                              {4, "damaged, or not authentic"},
                              {5, "compiling or assembling failed"},
                              {6, "the permissions of a cache are unsafe"},
                              {7, "a deadline passed"},
                              {8, "a driver or program that is needed is absent"},
                              {interrupted_code, "interrupted"}};
}

std::span<const ExitCode> exit_codes() {
  return codes;
}

int exit_code(Code code) {
  switch (code) {
    case Code::argument:
      return 2;
    case Code::miss:
      return 3;
    case Code::damaged:
    case Code::signature:
      return 4;
    case Code::unsupported:
    case Code::compile:
    case Code::too_new:
      return 5;
    case Code::unsafe_cache:
      return 6;
    case Code::deadline:
      return 7;
    case Code::absent:
      return 8;
    default:
      return 1;
  }
}

int worse(int a, int b) {
  for (int code : {4, 5, 6, 7, 8, 1, 2, 3})
    if (a == code || b == code) return code;
  return 0;
}

const std::atomic<bool>& stop_on_interrupt() {
  static std::atomic<bool> stop = false;
  static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may take no lock
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  return stop;
}

int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.footer("--help-man prints a man page, --completion SHELL completions for bash, zsh or fish.");
  try {
    if (std::optional<std::string> page = pages::asked_for(app, argc, argv)) {
      fmt::print("{}", *page);
      return 0;
    }
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    fmt::print(stderr, "{}: {}\n  to see what it takes: {} --help\n", app.get_name(), e.what(), app.get_name());
    return 2;
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return exit_code(e.code());
  }
  try {
    return body();
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return exit_code(e.code());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "{}: no memory left\n", app.get_name());
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", app.get_name(), e.what());
  }
  return 1;
}

bool on_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> parts;
  for (const std::string& list : lists)
    for (const std::string& part : CLI::detail::split(list, ','))
      if (!part.empty()) parts.push_back(part);
  return parts;
}

}  // namespace pagejit::cli
