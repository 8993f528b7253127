// Processes that are killed at random moments leave nothing bad behind.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "runtime/base/settings.h"
#include "runtime/cache/collect.h"
#include "runtime/cache/root.h"
#include "tests/runtime/processes.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {
using namespace testing;
constexpr int keys = 12;

std::string code_of(int key) {
  std::string code;
  for (int i = 0; i < 400; ++i) code += "ld.global r" + std::to_string(key * 1000 + i) + ";\n";
  return code;
}

std::shared_ptr<CountingCompiler> compiler_of(int key) {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [key](Artifact& a) { a.ptx = code_of(key); };
  return compiler;
}

/// Stores and reads kernels until it is killed; ends by itself where it reads something wrong.
void work(const std::string& root, unsigned long long seed) {
  std::mt19937_64 random(seed);
  for (;;) {
    int key = static_cast<int>(random() % keys);
    Mode mode = random() % 2 ? Mode::rebuild : Mode::automatic;
    if (Engine(compiler_of(key), options_for(root, mode)).artifact(sample_request(1 + key)).ptx != code_of(key)) return;
  }
}

void kill_some(const std::string& root, std::mt19937_64& random, int count) {
  std::vector<int> children;
  for (int i = 0; i < count; ++i) children.push_back(start_child([&, seed = random()] { work(root, seed); }));
  for (int pid : children) {
    usleep(static_cast<useconds_t>(random() % 3000));
    kill(pid, SIGKILL);
  }
  for (int pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));  // it had found nothing wrong
  }
}

void make_old(const std::string& folder) {
  for (const std::string& file : files_under(folder)) {
    timespec times[2] = {{std::time(nullptr) - 7200, 0}, {std::time(nullptr) - 7200, 0}};
    utimensat(AT_FDCWD, (folder + "/" + file).c_str(), times, 0);
  }
}

TEST_CASE("processes killed at random moments leave no bad entry, no stuck lock and no file in tmp") {
  TempFolder folder;
  auto random = random_for("kills");
  int kills = Settings::process().test_all == "1" ? 2000 : 200;
  for (int done = 0; done < kills; done += 4) kill_some(folder.path(), random, 4);

  LogCapture log;
  int found = 0;
  for (int key = 0; key < keys; ++key) {
    EngineOptions options = options_for(folder.path());
    options.lock_timeout = std::chrono::milliseconds(0);  // a stuck lock would be told
    bool from_disk = false;
    Engine engine(compiler_of(key), options);
    CHECK(engine.artifact(sample_request(1 + key), &from_disk).ptx == code_of(key));
    found += from_disk;
  }
  CHECK(found > 0);
  CHECK(log.lines.empty());
  CHECK(files_under(folder.path() + "/v1/bad").empty());

  MESSAGE("killed while writing: " << files_under(folder.path() + "/v1/tmp").size() << " of " << kills);
  make_old(folder.path() + "/v1/tmp");
  cache::Fd v1 = cache::open_root(folder.path(), cache::Access::own);
  CHECK(cache::collect(v1.get(), {}).done);
  CHECK(files_under(folder.path() + "/v1/tmp").empty());
}
}  // namespace
}  // namespace pagejit
