#include "tools/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/file.h"

namespace pagejit {
namespace {
using Clock = std::chrono::steady_clock;
using cache::Fd;
constexpr std::size_t most_said = 1 << 20;

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail(Code::internal, "no pipe to a child", {{"reason", std::strerror(errno)}});
    read = Fd(ends[0]), write = Fd(ends[1]);
  }
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

/// In a process group of its own, so that what it starts can be ended with it.
pid_t start(const Command& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  if (!command.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, command.folder.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  // Nothing of the environment may change what the program makes.
  std::vector<std::string> variables{"PATH=" + command.path, "LC_ALL=C", "TMPDIR=" + command.folder};
  pid_t child = -1;
  int error = posix_spawn(&child, command.words[0].c_str(), &actions, &attributes, pointers(command.words).data(),
                          pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    fail(Code::absent, fmt::format("the program {} cannot be started", command.words[0]),
         {{"reason", std::strerror(error)}});
  return child;
}

class Child {
 public:
  Child(const Command& command, int output) : command_(command), pid_(start(command, output)) {}

  /// Until it closes its output, or must be ended.
  void listen(int from) {
    while (may_go_on()) {
      pollfd ready{from, POLLIN, 0};
      constexpr int slice_ms = 20;  // how soon a stop is heard
      if (poll(&ready, 1, slice_ms) <= 0) continue;
      char buffer[4096];
      ssize_t n = read(from, buffer, sizeof buffer);
      if (n == 0 || (n < 0 && errno != EINTR)) return;
      if (n > 0 && finished_.said.size() < most_said) finished_.said.append(buffer, static_cast<std::size_t>(n));
    }
  }

  Finished wait() {
    int status = 0;
    for (pid_t ended = 0; ended == 0;) {
      if (!may_go_on()) kill(-pid_, SIGKILL);
      ended = waitpid(pid_, &status, finished_.too_late || finished_.stopped ? 0 : WNOHANG);
      if (ended < 0 && errno == EINTR) ended = 0;
      if (ended == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    finished_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return std::move(finished_);
  }

 private:
  bool may_go_on() {
    if (command_.stop && *command_.stop) finished_.stopped = true;
    if (Clock::now() >= deadline_) finished_.too_late = true;
    return !finished_.stopped && !finished_.too_late;
  }

  const Command& command_;
  Clock::time_point deadline_ = Clock::now() + command_.limit;
  pid_t pid_;
  Finished finished_;
};

}  // namespace

std::string find_program(const std::string& name, const std::string& path, const std::vector<std::string>& also) {
  std::vector<std::string> folders = also;
  std::vector<std::string_view> listed = split(path, ':');
  folders.insert(folders.begin(), listed.begin(), listed.end());
  for (const std::string& folder : folders)
    if (std::string file = folder + "/" + name; access(file.c_str(), X_OK) == 0) return file;
  return {};
}

Finished run_command(const Command& command) {
  Pipe pipe;
  Child child(command, pipe.write.get());
  pipe.write = Fd();  // ours; the child's own copy says when it is done
  child.listen(pipe.read.get());
  return child.wait();
}

}  // namespace pagejit
