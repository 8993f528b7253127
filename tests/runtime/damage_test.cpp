// An entry of which any byte is missing or different is never used.
#include <doctest/doctest.h>

#include <cerrno>

#include "runtime/cache/disk.h"
#include "runtime/cache/root.h"
#include "tests/runtime/failing_calls.h"
#include "tests/runtime/support.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

struct Stored {
  TempFolder folder;
  Disk disk{folder.path(), Disk::Use::read_write};
  Request request = sample_request();
  std::string path, bytes;

  Stored() {
    Artifact a = sample_artifact();
    disk.put(request, a, history_text(a, "new-spec", 1), false);
    std::string file = disk.files().at(0);
    path = folder.path() + "/v1/" + shard_of(file) + "/" + file;
    bytes = read_file(path);
  }
  std::optional<Hit> get() {
    Wanted w{request, "llvm=22.1.8\n", "assembler=driver 13000\ncubin=9.0", {}};
    w.complete = true;  // every section is read
    return disk.get(w);
  }
};

TEST_CASE("each byte flipped in turn, and each truncation, is detected") {
  Stored s;
  REQUIRE(s.get());
  LogCapture quiet;
  for (std::size_t i = 0; i < s.bytes.size(); ++i) {
    CAPTURE(i);
    std::string flipped = s.bytes;
    flipped[i] ^= static_cast<char>(1 << i % 8);
    for (const std::string& spoilt : {flipped, s.bytes.substr(0, i)}) {
      write_file(s.path, spoilt);
      CHECK_FALSE(s.get());
    }
  }
  write_file(s.path, s.bytes);
  CHECK(s.get());
}

TEST_CASE(
    "a file system that fails once costs nothing; one that goes on failing costs a miss, and moves nothing away") {
  Stored s;
  for (int answer : {EIO, ESTALE, EINTR, end_of_file})
    for (int failures : {1, 1000}) {
      if (answer == EINTR && failures > 1) continue;  // a signal is never a failure
      CAPTURE(answer);
      CAPTURE(failures);
      int left = failures;
      LogCapture quiet;
      bool found;
      {
        FailingCalls calls([&](Call call, std::string_view) { return call == Call::read && left-- > 0 ? answer : 0; });
        found = s.get().has_value();
      }
      CHECK(found == (failures == 1));
      CHECK(s.get());
      CHECK(files_under(s.folder.path() + "/v1/bad").empty());
    }
}

TEST_CASE("a stale file handle at opening is tried again once") {
  Stored s;
  for (int failures : {1, 1000}) {
    int left = failures;
    FailingCalls calls([&](Call call, std::string_view path) {
      return call == Call::open && path.ends_with(".pj") && left-- > 0 ? ESTALE : 0;
    });
    CHECK(s.get().has_value() == (failures == 1));
  }
}
}  // namespace
}  // namespace pagejit::cache
