// What a hit may cost.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "runtime/cache/producer.h"
#include "tests/kernels/heap_count.h"
#include "tests/runtime/processes.h"

namespace pagejit {
namespace {
using namespace testing;

/// From now on the only system call that does not end this process is exit().
bool allow_only_exit() {
  sock_filter rules[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
                         {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_exit_group},
                         {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
                         {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS}};
  sock_fprog program{4, rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_CASE("a hit in memory takes no heap and makes no system call") {
  TempFolder folder;
  Engine engine(std::make_shared<CountingCompiler>(), options_for(folder.path()));
  std::vector<Request> requests;
  for (int i = 1; i <= 50; ++i) requests.push_back(sample_request(i));
  for (const Request& r : requests) engine.artifact(r);
  auto before = tests::heap_allocations();
  for (const Request& r : requests) engine.artifact(r);
  CHECK(tests::heap_allocations() == before);

  int works = start_child([&] {
    if (!allow_only_exit()) _exit(9);
    for (const Request& r : requests) engine.artifact(r);
  });
  CHECK(ended_well(works));
  int fails = start_child([&] {
    if (allow_only_exit()) getppid();
  });
  CHECK_FALSE(ended_well(fails));
}

TEST_CASE("a hit on disk with a cubin of 20 KB takes at most 150 microseconds") {
  TempFolder folder;
  constexpr char assembler[] = "assembler=driver 13000\ncubin=9.0";
  constexpr int kernels = 64;
  cache::Disk disk(folder.path(), cache::Disk::Use::read_write);
  auto wanted = [&](const Request& r) {
    cache::Wanted w{r, "llvm=22.1.8\n", assembler, "9.0"};
    w.driver = 13000;
    return w;
  };
  for (int i = 1; i <= kernels; ++i) {
    Artifact a = sample_artifact();
    a.key_text = sample_request(i).key_text;
    a.producer = cache::full_producer("llvm=22.1.8\n", assembler);
    a.cubin = std::string(20'000, 'c');
    a.facts.chip = "9.0";
    a.facts.driver = 13000;
    disk.put(sample_request(i), a, "", false);
  }
  std::vector<double> micros;
  for (int round = 0; round < 10; ++round)
    for (int i = 1; i <= kernels; ++i) {
      Request r = sample_request(i);
      auto start = std::chrono::steady_clock::now();
      bool hit = disk.get(wanted(r)).has_value();
      micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
      CHECK(hit);
    }
  std::sort(micros.begin(), micros.end());
  MESSAGE("hit on disk: p50 " << micros[micros.size() / 2] << " us, p99 " << micros[micros.size() * 99 / 100] << " us");
#ifdef __SANITIZE_ADDRESS__
  micros[micros.size() / 2] /= 10;  // the sanitizer's time is not ours
#endif
  CHECK(micros[micros.size() / 2] <= 150);
}
}  // namespace
}  // namespace pagejit
