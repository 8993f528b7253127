// Programs as children, and ptxas among them; its part is played by shell scripts that fail in the ways it can.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "runtime/base/error.h"
#include "tests/support/fake_ptxas.h"
#include "tools/files.h"
#include "tools/program.h"
#include "tools/ptxas.h"

using namespace pagejit;
using namespace std::chrono_literals;

namespace {

constexpr const char* usual_path = "/usr/bin:/bin";

Command shell(const std::string& line) {
  return {.words = {"/bin/sh", "-c", line}, .folder = "/", .path = usual_path};
}

double seconds_of(const std::function<void()>& body) {
  auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Settings settings_for(const FakePtxas& fake) {
  Settings s;
  s.ptxas = fake.file();
  s.path = usual_path;
  return s;
}

Artifact some_ptx() {
  Artifact a;
  a.facts.target = "sm_90a";
  a.facts.symbol = "flatten";
  a.ptx = "one\ntwo\nthree\n";
  return a;
}

/// What assembling with that program fails with.
Error failure_of(const FakePtxas& fake, std::chrono::milliseconds limit = 10s) {
  PtxasProgram program = find_ptxas(settings_for(fake));
  program.limit = limit;
  Artifact artifact = some_ptx();
  try {
    Ptxas(program, "sm_90a").assemble(artifact);
  } catch (const Error& e) {
    return e;
  }
  return Error(Code::internal, "it did not fail");
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("programs: exit code, both outputs, and the folder are the child's own") {
  Finished ran = run_command(shell("pwd; echo wrong >&2; exit 7"));
  CHECK(ran.code == 7);
  CHECK(has(ran.said, "/\n"));
  CHECK(has(ran.said, "wrong"));
  CHECK(run_command(shell("kill -SEGV $$")).code == 128 + 11);
}

TEST_CASE("programs: a child sees PATH, a language and a folder for its files, and nothing else of ours") {
  setenv("PAGEJIT_LEAK", "leak", 1);
  Finished ran = run_command(shell("echo \"<$PAGEJIT_LEAK> $PATH $LC_ALL\""));
  unsetenv("PAGEJIT_LEAK");
  CHECK(has(ran.said, std::string("<> ") + usual_path + " C"));
}

TEST_CASE("programs: a child that is too late is ended, and so is what it started") {
  Command command = shell("sleep 30 & sleep 30");
  command.limit = 150ms;
  Finished ran;
  CHECK(seconds_of([&] { ran = run_command(command); }) < 5);
  CHECK(ran.too_late);
  Command silent = shell("exec >/dev/null 2>&1; sleep 30");  // has closed its outputs, and is still there
  silent.limit = 150ms;
  CHECK(seconds_of([&] { ran = run_command(silent); }) < 5);
  CHECK(ran.too_late);
}

TEST_CASE("programs: a stop from outside ends a child at once") {
  std::atomic<bool> stop = false;
  Command command = shell("sleep 30");
  command.stop = &stop;
  std::thread later([&] {
    std::this_thread::sleep_for(50ms);
    stop = true;
  });
  Finished ran;
  CHECK(seconds_of([&] { ran = run_command(command); }) < 5);
  later.join();
  CHECK(ran.stopped);
}

TEST_CASE("programs: what a child says is kept up to a MiB, and a flood does not block it") {
  Finished ran = run_command(shell("head -c 3000000 /dev/zero | tr '\\0' x"));
  CHECK(ran.code == 0);
  CHECK(ran.said.size() >= 1u << 20);
  CHECK(ran.said.size() < (1u << 20) + 8192);
}

TEST_CASE("programs: one that cannot be started is absent") {
  CHECK_THROWS_WITH_AS(run_command({.words = {"/nowhere/program"}}), doctest::Contains("/nowhere/program"), Error);
  CHECK(find_program("sh", "/nowhere:/bin") == "/bin/sh");
  CHECK(find_program("sh", "/nowhere", {"/bin"}) == "/bin/sh");
  CHECK(find_program("no-such-program", "/usr/bin:/bin").empty());
}

TEST_CASE("ptxas: its version is asked once for a file, and again after the file has changed") {
  FakePtxas fake("exit 1");
  CHECK(find_ptxas(settings_for(fake)).version == "13.0.88");
  CHECK(find_ptxas(settings_for(fake)).version == "13.0.88");
  CHECK(fake.asked() == "asked\n");
  write_whole_file(fake.file(), "#!/bin/sh\necho 'Cuda compilation tools, release 12.9, V12.9.1'\n");
  chmod(fake.file().c_str(), 0755);
  CHECK(find_ptxas(settings_for(fake)).version == "12.9.1");
}

TEST_CASE("ptxas: producer, chip and driver follow from version and target") {
  PtxasProgram program{"/x/ptxas", "13.0.88", "", 1s};
  Ptxas a(program, "sm_90a"), b(program, "sm_120");
  CHECK(a.producer() == "assembler=ptxas 13.0.88\ncubin=9.0");
  CHECK(a.chip() == "9.0");
  CHECK(b.chip() == "12.0");
  CHECK(a.driver() == 13000);
  CHECK(Ptxas({"/x", "12.9.86", "", 1s}, "sm_80").driver() == 12090);
}

TEST_CASE("ptxas: one that was asked for and is absent, or is something else, is PJ0012") {
  Settings s;
  s.ptxas = "/nowhere/ptxas";
  CHECK_THROWS_WITH_AS(find_ptxas(s), doctest::Contains("/nowhere/ptxas"), Error);
  s.ptxas = "/bin/true";
  CHECK_THROWS_WITH_AS(find_ptxas(s), doctest::Contains("does not say its version"), Error);
  s.ptxas = "/nowhere/ptxas", s.assembler = "driver";
  CHECK_FALSE(find_ptxas(s));
}

TEST_CASE("ptxas: an error says the first complaint and the line of PTX that it points at") {
  Error e =
      failure_of(FakePtxas("echo 'ptxas info : hello'\necho 'ptxas kernel.ptx, line 2; error   : bad'; exit 255\n"));
  CHECK(e.code() == Code::compile);
  CHECK(has(e.what(), "line 2; error"));
  CHECK(has(e.what(), "2: two"));
  CHECK(has(e.what(), "255"));
}

TEST_CASE("ptxas: PTX that is too new for it is PJ0007") {
  CHECK(failure_of(FakePtxas("echo \"ptxas fatal : Unsupported .version 9.9; current version is '9.0'\"; exit 1"))
            .code() == Code::too_new);
}

TEST_CASE("ptxas: success without a file is a failure") {
  CHECK(failure_of(FakePtxas("exit 0")).code() == Code::compile);
}

TEST_CASE("ptxas: what it makes is taken with the facts that it holds") {
  FakePtxas fake(std::string(FakePtxas::good_cubin) +
                 "echo 'ptxas info : Compile time = 3 ms'; echo 'ptxas info : Used 24 registers'\n");
  Artifact artifact = some_ptx();
  Ptxas(find_ptxas(settings_for(fake)), "sm_90a").assemble(artifact);
  CHECK(
      artifact.cubin.starts_with("\x7f"
                                 "ELF"));
  CHECK(artifact.facts.registers == 24);  // of the report; the cubin's own note says 40
  CHECK(artifact.facts.static_shared == 512);
  CHECK(artifact.facts.max_threads == 256);
  CHECK(artifact.log == "ptxas info : Used 24 registers\n");  // the same at every run
}

TEST_CASE("ptxas: one that hangs is ended, and the error names the variable") {
  Error e = failure_of(FakePtxas("sleep 30"), 150ms);
  CHECK(e.code() == Code::deadline);
  CHECK(has(e.what(), "PAGEJIT_COMPILE_TIMEOUT_MS"));
  CHECK(has(e.what(), "150 ms"));
}
