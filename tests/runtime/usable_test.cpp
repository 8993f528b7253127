// Private roots that cannot be used, or only half: one warning, and every kernel all the same.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/base/settings.h"
#include "runtime/cache/root.h"
#include "tests/runtime/failing_calls.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"
#include "tests/support/skip.h"

namespace pagejit {
namespace {
using namespace testing;

/// What is warned about while two engines compile two kernels with these options.
std::vector<std::string> warnings(const EngineOptions& options) {
  auto compiler = std::make_shared<CountingCompiler>();
  LogCapture log;
  for (int page : {64, 61}) CHECK(Engine(compiler, options).artifact(sample_request(page)).facts.symbol == "flatten");
  return log.lines;
}

TEST_CASE("a root that is a file, or lies under one, costs one warning") {
  TempFolder folder;
  write_file(folder.path() + "/file", "x");
  for (const char* path : {"/file", "/file/below"}) {
    std::vector<std::string> said = warnings(options_for(folder.path() + path));
    REQUIRE(said.size() == 1);
    CHECK(contains(said[0], "PJ0009"));
    CHECK(contains(said[0], folder.path() + path));
    CHECK(contains(said[0], "memory"));
  }
}

TEST_CASE("without a home there is no private root, and nothing to warn about") {
  CHECK(EngineOptions::from(Settings::read({})).cache_dir.empty());
  CHECK(EngineOptions::from(Settings::read({"HOME=/home/x"})).cache_dir == "/home/x/.cache/pagejit");
  CHECK(EngineOptions::from(Settings::read({"HOME=/home/x", "PAGEJIT_CACHE=off"})).cache_dir.empty());
  CHECK(warnings(options_for("")).empty());
}

TEST_CASE("a root on a read-only file system serves what it has, and takes nothing") {
  TempFolder folder;
  CHECK(warnings(options_for(folder.path())).empty());
  LogCapture log;
  FailingCalls calls([](Call call, std::string_view path) {
    bool writes = call == Call::write || call == Call::link || path.starts_with("tmp/") || path == "lock";
    return writes ? EROFS : 0;
  });
  auto compiler = std::make_shared<CountingCompiler>();
  Engine engine(compiler, options_for(folder.path()));
  for (int page : {64, 61, 60, 59}) engine.artifact(sample_request(page));
  CHECK(compiler->compiles == 2);
  CHECK(log.lines.size() == 1);
}

TEST_CASE("a full file system costs one warning and no kernel") {
  TempFolder folder;
  if (geteuid() != 0 || mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k,mode=0700") != 0)
    return skip_test("a file system of 64 KiB cannot be mounted here");
  {
    auto compiler = std::make_shared<CountingCompiler>();
    auto random = random_for("full file system");  // what does not pack
    compiler->change = [&](Artifact& a) {
      for (int i = 0; i < 20'000; ++i) a.ptx += static_cast<char>(' ' + random() % 90);
    };
    LogCapture log;
    Engine engine(compiler, options_for(folder.path()));
    for (int page = 1; page <= 12; ++page) CHECK_FALSE(engine.artifact(sample_request(page)).ptx.empty());
    CHECK(log.lines.size() == 1);
  }
  umount(folder.path().c_str());
}

TEST_CASE("a group's root is 2770 and its files 0660, whatever the umask; others' write access is still refused") {
  TempFolder folder;
  mode_t before = umask(077);
  std::string root = folder.path() + "/shared";
  EngineOptions options = options_for(root);
  options.group = true;
  CHECK(warnings(options).empty());
  umask(before);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    struct stat s;
    stat(entry.path().c_str(), &s);
    CAPTURE(entry.path());
    CHECK((s.st_mode & 07777) == (entry.is_directory() ? 02770u : 0660u));
  }
  CHECK(warnings(options_for(root)).size() == 1);  // not for one who wants a private root
  chmod(root.c_str(), 0777);
  CHECK(warnings(options).size() == 1);
}

TEST_CASE("a cache that is emptied under a running process is filled again") {
  TempFolder folder;
  auto compiler = std::make_shared<CountingCompiler>();
  LogCapture log;
  Engine engine(compiler, options_for(folder.path()));
  engine.artifact(sample_request(64));
  for (const char* name : {"objects", "tmp", "bad"}) std::filesystem::remove_all(folder.path() + "/v1/" + name);
  engine.artifact(sample_request(61));
  CHECK(files_under(folder.path() + "/v1/objects").size() == 1);
  CHECK(log.lines.empty());
}
}  // namespace
}  // namespace pagejit
