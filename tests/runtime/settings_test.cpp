// Environment variables: what is taken, what is warned about, what follows from it.
#include "runtime/base/settings.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "runtime/base/text.h"
#include "tests/runtime/support.h"

namespace pagejit {
namespace {
using namespace testing;

TEST_CASE("an unknown variable of ours is warned about with the nearest known name, and others' are not") {
  Settings s = Settings::read({"PAGEJIT_CACHE_DRI=/x", "CACHE_DRI=/x"});
  REQUIRE(s.warnings.size() == 1);
  CHECK(contains(s.warnings[0], "PAGEJIT_CACHE_DIR"));
  CHECK(s.cache_dir.empty());
}

TEST_CASE("a value that cannot be taken is warned about, and the default stays") {
  for (const SettingRow& row : setting_rows()) {
    if (row.values.empty()) continue;
    CAPTURE(row.name);
    Settings s = Settings::read({std::string(row.name) + "=no such value"});
    REQUIRE(s.warnings.size() == 1);
    CHECK(contains(s.warnings[0], std::string(row.name)));
    CHECK(value_of(s, row) == row.fallback);
  }
}

TEST_CASE("sizes have suffixes of 1000 and of 1024") {
  CHECK(parse_bytes("2GiB") == std::uint64_t{2} << 30);
  CHECK(parse_bytes("10M") == 10'000'000);
  CHECK(parse_bytes("3KiB") == 3072);
  CHECK(parse_bytes("17") == 17);
  for (const char* bad : {"", "GiB", "-1", "1.5G", "1 G", "2TiB", "18446744073709551615K"})
    CHECK_FALSE(parse_bytes(bad));
}

TEST_CASE("what the environment says reaches the engine") {
  EngineOptions o = EngineOptions::from(
      Settings::read({"PAGEJIT_MODE=require", "PAGEJIT_SEAL=error", "PAGEJIT_PRODUCER=exact", "PAGEJIT_KEEP=log",
                      "PAGEJIT_CACHE_MODE=group", "PAGEJIT_CACHE_MAX_SIZE=1MiB", "PAGEJIT_CACHE_MAX_ENTRIES=7",
                      "PAGEJIT_LOCK_TIMEOUT_MS=11", "PAGEJIT_COMPILE_TIMEOUT_MS=12", "PAGEJIT_AUDIT=3",
                      "PAGEJIT_RECORD=/r", "PAGEJIT_CACHE=ro"}));
  CHECK(o.mode == Mode::require);
  CHECK(o.seal_is_error);
  CHECK(o.producers == Producers::exact);
  CHECK_FALSE(o.keep_ir);
  CHECK(o.keep_log);
  CHECK(o.group);
  CHECK(o.limits.bytes == 1 << 20);
  CHECK(o.limits.entries == 7);
  CHECK(o.lock_timeout.count() == 11);
  CHECK(o.compile_timeout.count() == 12);
  CHECK(o.audit == 3);
  CHECK(o.record == "/r");
  CHECK_FALSE(o.write);
}

TEST_CASE("a set-id process ignores variables that name paths") {
  Settings s = Settings::read({"PAGEJIT_CACHE_DIR=/x", "PAGEJIT_RECORD=/y", "HOME=/z", "PAGEJIT_MODE=require"}, true);
  CHECK(s.cache_dir.empty());
  CHECK(s.record.empty());
  CHECK(s.home.empty());
  CHECK(s.mode == "require");
}

TEST_CASE("a log file takes lines as text or as JSON objects; one that cannot be opened costs a warning") {
  TempFolder folder;
  std::string path = folder.path() + "/log";
  log_to(path, false);
  log(LogLevel::warn, "as text");
  log_to(path, true);
  log(LogLevel::warn, "a \"quoted\"\nline");
  log_to("", false);
  std::string said = read_file(path);
  CHECK(said.starts_with("pagejit: warning: as text\n{\"time\": "));
  CHECK(contains(said, "\"level\": \"warn\", \"text\": \"a \\\"quoted\\\"\\u000aline\"}\n"));
  LogCapture capture;
  log_to(folder.path() + "/none/log", false);
  log_to("", false);
  CHECK(capture.lines.size() == 1);
}

TEST_CASE("docs/settings.md names every variable of ours, and no other") {
  std::string page = read_file(PAGEJIT_SOURCE_DIR "/docs/settings.md");
  std::vector<std::string> known;
  for (const SettingRow& row : setting_rows()) {
    if (!row.name.starts_with("PAGEJIT_")) continue;
    known.emplace_back(row.name);
    CHECK_MESSAGE(contains(page, "`" + known.back() + "`"), row.name);
  }
  for (std::size_t at = page.find("`PAGEJIT_"); at != std::string::npos; at = page.find("`PAGEJIT_", at + 1)) {
    std::string name = page.substr(at + 1, page.find_first_of("`=", at + 1) - at - 1);
    CHECK_MESSAGE(std::count(known.begin(), known.end(), name) == 1, name);
  }
}

}  // namespace
}  // namespace pagejit
