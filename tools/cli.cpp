#include "tools/cli.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>

namespace pagejit::cli {

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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    fmt::print(stderr, "{}: {}\n  to see what it takes: {} --help\n", app.get_name(), e.what(), app.get_name());
    return 2;
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
