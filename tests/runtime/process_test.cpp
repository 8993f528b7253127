// Many processes and one cache: each kernel is made once, and whatever fails costs time only.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "runtime/cache/lock.h"
#include "runtime/cache/root.h"
#include "runtime/cache/stats_log.h"
#include "tests/runtime/failing_calls.h"
#include "tests/runtime/processes.h"

namespace pagejit {
namespace {
using namespace testing;

struct Shared {
  TempFolder folder;
  std::string count = folder.path() + "/count", root = folder.path() + "/cache";
  std::shared_ptr<SlowCompiler> compiler(int ms) { return std::make_shared<SlowCompiler>(count, ms); }
};

TEST_CASE("sixty-four processes that want one cold kernel compile it once, in little more than the time of one") {
  constexpr int ms = 400;
  double best = 1e9;
  for (int attempt = 0; attempt < 3 && best > 1.3 * ms; ++attempt) {
    Shared s;
    double took =
        run_children(64, [&](int) { Engine(s.compiler(ms), options_for(s.root)).artifact(sample_request()); });
    CHECK(compiles_in(s.count) == 1);
    best = std::min(best, took);
  }
  MESSAGE("64 processes: " << best << " ms for a compile of " << ms << " ms");
  CHECK(best <= 1.3 * ms);
}

TEST_CASE("eight processes of eight threads compile each of fifty kernels once") {
  Shared s;
  run_children(8, [&](int process) {
    Engine engine(s.compiler(3), options_for(s.root));
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          Request r = sample_request(1 + (i * 7 + t * 11 + process * 13) % 50);
          if (engine.artifact(r).key_text != r.key_text) std::abort();
        }
      });
    for (std::thread& t : threads) t.join();
  });
  CHECK(compiles_in(s.count) == 50);
}

TEST_CASE("a process that dies while it compiles frees its kernel for the next at once") {
  Shared s;
  int holder = start_child([&] { Engine(s.compiler(60'000), options_for(s.root)).artifact(sample_request()); });
  while (compiles_in(s.count) == 0) usleep(1000);
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  LogCapture log;
  EngineOptions options = options_for(s.root);
  options.lock_timeout = std::chrono::milliseconds(1000);
  Engine(s.compiler(0), options).artifact(sample_request());
  CHECK(compiles_in(s.count) == 2);
  CHECK(log.lines.empty());
}

TEST_CASE("a process that waits too long for another compiles for itself, and says so") {
  Shared s;
  EngineOptions options = options_for(s.root);
  options.lock_timeout = std::chrono::milliseconds(30);
  Engine engine(s.compiler(0), options);
  cache::Fd v1 = cache::open_root(s.root, cache::Access::own);
  cache::ByteLock held(v1.get(), static_cast<std::int64_t>(sample_request().key_id % cache::key_bytes));
  REQUIRE(held.take(std::chrono::milliseconds(0)));
  LogCapture log;
  CHECK(engine.artifact(sample_request()).facts.symbol == "flatten");
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0011"));
  CHECK(contains(log.lines[0], "PAGEJIT_LOCK_TIMEOUT_MS"));
  CHECK(engine.counters()["waits"] == 1);
}

TEST_CASE("without working locks every process still gets its kernel") {
  for (int error : {ENOLCK, ENOSYS, EINVAL}) {
    Shared s;
    run_children(4, [&](int) {
      FailingCalls calls([&](Call call, std::string_view) { return call == Call::lock ? error : 0; });
      Engine(s.compiler(20), options_for(s.root)).artifact(sample_request());
    });
    CHECK(compiles_in(s.count) >= 1);
    bool from_disk = false;
    Engine(s.compiler(0), options_for(s.root)).artifact(sample_request(), &from_disk);
    CHECK(from_disk);
  }
}

TEST_CASE("who loses the race to publish uses its own bytes, though it cannot see the winner's") {
  Shared s;
  Engine engine(s.compiler(0), options_for(s.root));
  FailingCalls calls([](Call call, std::string_view path) {
    if (call == Call::link) return EEXIST;
    return call == Call::open && path.ends_with(".pj") ? ENOENT : 0;
  });
  LogCapture log;
  CHECK(engine.artifact(sample_request()).facts.symbol == "flatten");
  CHECK(log.lines.empty());
  CHECK(files_under(s.root + "/v1/tmp").empty());
}

TEST_CASE("file systems without links publish by renaming") {
  for (bool exclusive : {true, false}) {
    Shared s;
    Engine engine(s.compiler(0), options_for(s.root));
    FailingCalls calls([&](Call call, std::string_view) {
      return call == Call::link ? EPERM : call == Call::rename && !exclusive ? EINVAL : 0;
    });
    engine.artifact(sample_request());
    CHECK(files_under(s.root + "/v1/objects").size() == 1);
    CHECK(files_under(s.root + "/v1/tmp").empty());
  }
}

TEST_CASE("a forked child opens its own files, counts from zero, and knows what its parent had in memory") {
  Shared s;
  EngineOptions options = options_for(s.root);
  Engine engine(s.compiler(0), options);
  engine.artifact(sample_request(1));
  int child = start_child([&] {
    bool from_disk = true;
    engine.artifact(sample_request(2), &from_disk);
    cache::Counters mine = engine.counters();
    if (from_disk || mine["compiles"] != 1) fail(Code::internal, "the child counts its parent's compiles");
    engine.artifact(sample_request(1));
    if (engine.counters()["compiles"] != 1) fail(Code::internal, "the child forgot its parent's kernel");
  });
  CHECK(ended_well(child));
  CHECK(engine.counters()["compiles"] == 1);
  CHECK(compiles_in(s.count) == 2);
}

TEST_CASE("each engine leaves one line of counters behind") {
  Shared s;
  run_children(5, [&](int i) { Engine(s.compiler(5), options_for(s.root)).artifact(sample_request(1 + i % 2)); });
  cache::Fd v1 = cache::open_root(s.root, cache::Access::own);
  std::vector<cache::Counters> lines = cache::read_stats(v1.get());
  CAPTURE(read_file(s.root + "/v1/stats.log"));
  CHECK(lines.size() == 5);
  cache::Counters sum;
  for (const cache::Counters& line : lines) sum.add(line);
  CHECK(sum["compiles"] == 2);
  CHECK(sum["misses.new-spec"] == 2);
  CHECK(sum["hits.private"] == 3);
  CHECK(sum["stores"] == 2);
  CHECK(sum.compile_ms.quantile(0.5) >= 4.5);
}
}  // namespace
}  // namespace pagejit
