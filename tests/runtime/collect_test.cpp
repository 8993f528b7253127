// Limits of a private root: what goes, what stays, and how long that takes.
#include "runtime/cache/collect.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "runtime/cache/disk.h"
#include "runtime/cache/lock.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"
#include "tests/runtime/failing_calls.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

std::string entry_of(unsigned long long spec, unsigned long long key = 7, unsigned long long producer = 9) {
  return fmt::format("{:016x}-{:016x}-{:016x}.pj", spec * 0x9e3779b97f4a7c15ull, key, producer);
}

struct Root {
  TempFolder folder;
  Fd v1 = open_root(folder.path(), Access::own);
  std::int64_t now = std::time(nullptr);

  void add(const std::string& name, std::size_t bytes, std::int64_t age, const std::string& tree = "objects") {
    mkdirat(v1.get(), tree.c_str(), 0700);
    std::string shard = tree + "/" + name.substr(0, 2), path = shard + "/" + name;
    mkdirat(v1.get(), shard.c_str(), 0700);
    Fd fd(openat(v1.get(), path.c_str(), O_WRONLY | O_CREAT, 0600));
    REQUIRE(ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
    timespec times[2] = {{now - age, 0}, {now - age, 0}};
    futimens(fd.get(), times);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const EntryFile& e : list_entries(v1.get())) names.push_back(e.name);
    std::sort(names.begin(), names.end());
    return names;
  }
  bool has(const std::string& name) const {
    std::vector<std::string> all = names();
    return std::find(all.begin(), all.end(), name) != all.end();
  }
};

TEST_CASE("over a limit the least recently used entries go, down to four fifths") {
  for (bool by_bytes : {true, false}) {
    Root root;
    for (unsigned i = 0; i < 101; ++i) root.add(entry_of(i), 1000, 3600 + i, i % 3 ? "objects" : "adopted");
    Limits limits = by_bytes ? Limits{100'000, 1000} : Limits{1 << 30, 100};
    Collected collected = collect(root.v1.get(), limits);
    CHECK(collected.evicted.entries == 21);
    CHECK(collected.left.entries == 80);
    CHECK(read_usage(root.v1.get()).bytes == 80'000);
    for (unsigned i = 0; i < 101; ++i) CHECK(root.has(entry_of(i)) == (i < 80));
    CHECK(collect(root.v1.get(), limits).evicted.entries == 0);
  }
}

TEST_CASE("no collection removes what was used in the last five minutes or is pinned") {
  Root root;
  for (unsigned i = 0; i < 20; ++i) root.add(entry_of(i), 1000, i < 5 ? 200 : 4000 + i);
  pin(root.v1.get(), entry_of(19));                // a file
  pin(root.v1.get(), entry_of(18).substr(0, 16));  // a spec id
  root.add(entry_of(30, 0xabc), 1000, 9000);
  pin(root.v1.get(), fmt::format("{:016x}", 0xabc));  // a key
  collect(root.v1.get(), {0, 0});
  std::vector<std::string> left{entry_of(0), entry_of(1),  entry_of(2),  entry_of(3),
                                entry_of(4), entry_of(18), entry_of(19), entry_of(30, 0xabc)};
  std::sort(left.begin(), left.end());
  CHECK(root.names() == left);
  CHECK(unpin(root.v1.get(), entry_of(19)));
  CHECK_FALSE(unpin(root.v1.get(), entry_of(19)));
  collect(root.v1.get(), {0, 0});
  CHECK_FALSE(root.has(entry_of(19)));
}

TEST_CASE("what cannot be pinned is said") {
  Root root;
  CHECK(pin(root.v1.get(), entry_of(1)));
  CHECK_FALSE(pin(root.v1.get(), entry_of(1)));
  for (const char* bad : {"", "12", "0123456789abcdeg", "../../x"})
    CHECK(thrown([&] { pin(root.v1.get(), bad); }).code() == Code::argument);
}

TEST_CASE("files in tmp are removed once they are over an hour old") {
  Root root;
  write_file(root.folder.path() + "/v1/tmp/1-a", "x");
  write_file(root.folder.path() + "/v1/tmp/2-b", "x");
  timespec times[2] = {{root.now - 3700, 0}, {root.now - 3700, 0}};
  utimensat(root.v1.get(), "tmp/1-a", times, 0);
  collect(root.v1.get(), {});
  CHECK(files_under(root.folder.path() + "/v1/tmp") == std::vector<std::string>{"2-b"});
}

TEST_CASE("while one process collects another does not, and goes on") {
  Root root;
  for (unsigned i = 0; i < 20; ++i) root.add(entry_of(i), 1000, 4000);
  ByteLock held(root.v1.get(), collection_byte);
  REQUIRE(held.take(std::chrono::milliseconds(0)));
  CHECK_FALSE(collect(root.v1.get(), {0, 0}).done);
  CHECK(root.names().size() == 20);
}

TEST_CASE("stores are counted, and the one that passes a limit collects") {
  TempFolder folder;
  auto journal = std::make_shared<Journal>();
  Disk disk(folder.path(), Disk::Use::read_write, {.group = false, .limits = {1 << 30, 10}, .journal = journal});
  Artifact a = sample_artifact();
  for (int i = 1; i <= 11; ++i) {
    Request r = sample_request(i);
    a.key_text = r.key_text;
    disk.put(r, a, "", false);
    CHECK(read_usage(disk.folder()).entries == (i <= 10 ? i : 8));
    for (const EntryFile& e : list_entries(disk.folder())) {
      timespec times[2] = {{std::time(nullptr) - 4000, 0}, {std::time(nullptr) - 4000 - i, 0}};
      if (i <= 10) utimensat(disk.folder(), (e.folder + "/" + e.name).c_str(), times, 0);
    }
  }
  CHECK(disk.files().size() == 8);
  CHECK(journal->counters()["evicted"] == 3);
  CHECK(journal->counters()["stores"] == 11);
}

TEST_CASE("a count that was lost or damaged is counted anew at the next store") {
  TempFolder folder;
  Disk disk(folder.path(), Disk::Use::read_write);
  Artifact a = sample_artifact();
  disk.put(sample_request(), a, "", false);
  Usage right = read_usage(disk.folder());
  CHECK(right.entries == 1);
  CHECK(right.bytes > 0);
  write_file(folder.path() + "/v1/size", "12 nonsense");
  disk.put(sample_request(61), a, "", false);
  CHECK(read_usage(disk.folder()).entries == 2);
  CHECK(read_usage(disk.folder()).bytes == 2 * right.bytes);
}

TEST_CASE("a full disk costs one collection, then one warning, and no kernel") {
  for (bool space_after : {true, false}) {
    TempFolder folder;
    Disk disk(folder.path(), Disk::Use::read_write);
    Artifact a = sample_artifact();
    disk.put(sample_request(1), a, "", false);
    timespec old[2] = {{std::time(nullptr) - 4000, 0}, {std::time(nullptr) - 4000, 0}};
    for (const EntryFile& e : list_entries(disk.folder()))
      utimensat(disk.folder(), (e.folder + "/" + e.name).c_str(), old, 0);
    LogCapture log;
    int writes = 0;
    {
      FailingCalls calls([&](Call call, std::string_view) {
        if (call != Call::write) return 0;
        return space_after && ++writes > 1 ? 0 : ENOSPC;
      });
      disk.put(sample_request(2), a, "", false);
      disk.put(sample_request(3), a, "", false);
    }
    CHECK(disk.files().size() == (space_after ? 2 : 0));  // the old one went
    CHECK(log.lines.size() == (space_after ? 0 : 1));
    CHECK(disk.writable() == space_after);
    CHECK(files_under(folder.path() + "/v1/tmp").empty());
  }
}

TEST_CASE("fifty thousand entries are collected in two seconds") {
  Root root;
  auto random = random_for("collection");
  for (unsigned i = 0; i <= 50'000; ++i) root.add(entry_of(i), 1, 4000 + static_cast<std::int64_t>(random() % 100000));
  auto start = std::chrono::steady_clock::now();
  Collected collected = collect(root.v1.get(), {});
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(collected.left.entries == 40'000);
  MESSAGE("50,001 entries: " << seconds << " s");
  CHECK(seconds <= 2);
}
}  // namespace
}  // namespace pagejit::cache
