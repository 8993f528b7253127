#include "tests/runtime/failing_calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace pagejit::testing {
namespace {
FailingCalls::Answer answer_now;

/// 0: go on.
int ask(Call call, const char* path = "") {
  return answer_now ? answer_now(call, path) : 0;
}

long refuse(int answer) {
  if (answer == end_of_file) return 0;
  errno = answer;
  return -1;
}
}  // namespace

FailingCalls::FailingCalls(Answer answer) {
  answer_now = std::move(answer);
}
FailingCalls::~FailingCalls() {
  answer_now = nullptr;
}
}  // namespace pagejit::testing

using pagejit::testing::ask;
using pagejit::testing::Call;
using pagejit::testing::refuse;

extern "C" {
int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
  va_end(rest);
  if (int answer = ask(Call::open, path)) return static_cast<int>(refuse(answer));
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}
ssize_t pread(int fd, void* to, size_t bytes, off_t offset) {
  if (int answer = ask(Call::read)) return refuse(answer);
  return syscall(SYS_pread64, fd, to, bytes, offset);
}
ssize_t write(int fd, const void* from, size_t bytes) {
  if (int answer = fd > 2 ? ask(Call::write) : 0) return refuse(answer);
  return syscall(SYS_write, fd, from, bytes);
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  if (int answer = ask(Call::link, to)) return static_cast<int>(refuse(answer));
  return static_cast<int>(syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  if (int answer = ask(Call::rename, to)) return static_cast<int>(refuse(answer));
  return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}
int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (int answer = command == F_OFD_SETLK ? ask(Call::lock) : 0) return static_cast<int>(refuse(answer));
  return static_cast<int>(syscall(SYS_fcntl, fd, command, argument));
}
}
