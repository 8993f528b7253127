#include "tests/runtime/processes.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

namespace pagejit::testing {

int start_child(const std::function<void()>& act) {
  std::fflush(nullptr);
  int pid = fork();
  if (pid != 0) return pid;
  try {
    act();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "a child failed: %s\n", e.what());
    _exit(1);
  }
  _exit(0);  // not the test program's own end
}

bool ended_well(int pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double run_children(int count, const std::function<void(int)>& act) {
  int gate[2];
  REQUIRE(pipe(gate) == 0);
  std::vector<int> children;
  for (int i = 0; i < count; ++i)
    children.push_back(start_child([&] {
      close(gate[1]);
      char byte;
      while (read(gate[0], &byte, 1) > 0) {
      }
      act(i);
    }));
  close(gate[0]);
  auto start = std::chrono::steady_clock::now();
  close(gate[1]);
  for (int pid : children) CHECK(ended_well(pid));
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

SlowCompiler::SlowCompiler(std::string count_file, int ms) : count_file_(std::move(count_file)) {
  change = [this, ms](Artifact&) {
    int fd = open(count_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool counted = write(fd, "x", 1) == 1;
    close(fd);
    if (!counted) fail(Code::internal, "the count cannot be written");
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  };
}

std::size_t compiles_in(const std::string& count_file) {
  std::error_code none;
  auto size = std::filesystem::file_size(count_file, none);
  return none ? 0 : size;
}

}  // namespace pagejit::testing
