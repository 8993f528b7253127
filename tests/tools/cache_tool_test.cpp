// pagejit-cache over a folder that holds two entries, one of which is then spoilt.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/cache/disk.h"
#include "tests/support/run_program.h"
#include "tools/temporary_folder.h"

using namespace pagejit;

namespace {

Request request(const std::string& page) {
  return make_request("flatten kv=bf16 page=" + page, "sm_90a", "abi", "generator");
}

/// A cache with an entry for page 16 and one for page 64.
struct Filled {
  TemporaryFolder folder;
  Filled() {
    cache::Disk disk(folder.path(), cache::Disk::Use::read_write);
    for (const char* page : {"16", "64"}) {
      Artifact a;
      a.key_text = request(page).key_text;
      a.producer = "assembler=none\ncubin=none\nllvm=22.1\n";
      a.facts.symbol = "flatten";
      a.facts.target = "sm_90a";
      a.facts.registers = 32;
      a.ptx = "// ptx of page " + std::string(page);
      disk.put(request(page), a, "", false);
    }
  }
  std::string option() const { return " --cache '" + folder.path() + "'"; }
};

void spoil_one(const std::string& folder) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder))
    if (file.path().extension() == ".pj") {
      std::fstream entry(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      entry.seekp(-20, std::ios::end);
      entry.put('!');
      return;
    }
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("pagejit-cache list: a line for each entry, and filters choose among them") {
  Filled cache;
  Ran all = run_program("pagejit-cache list" + cache.option());
  CHECK(all.code == 0);
  CHECK(has(all.out, "flatten kv=bf16 page=16"));
  CHECK(has(all.out, "flatten kv=bf16 page=64"));
  Ran some = run_program("pagejit-cache list page=64 registers=32" + cache.option());
  CHECK_FALSE(has(some.out, "page=16"));
  CHECK(has(some.out, "page=64"));
}

TEST_CASE("pagejit-cache list --json: one object with a schema number") {
  Filled cache;
  auto json = nlohmann::json::parse(run_program("pagejit-cache list --json" + cache.option()).out);
  CHECK(json["schema"] == 1);
  REQUIRE(json["entries"].size() == 2);
  CHECK(json["entries"][0]["spec"] == "flatten kv=bf16 page=16");
  CHECK(json["entries"][0]["registers"] == 32);
  CHECK(json["damaged"].empty());
}

TEST_CASE("pagejit-cache show: an entry is found by a prefix of its key, and by its file") {
  Filled cache;
  auto json = nlohmann::json::parse(run_program("pagejit-cache list --json" + cache.option()).out);
  for (const char* by : {"key", "file"}) {
    std::string key = json["entries"][1][by];
    Ran shown =
        run_program("pagejit-cache show " + (std::string(by) == "key" ? key.substr(0, 12) : key) + cache.option());
    CHECK(shown.code == 0);
    CHECK(has(shown.out, "flatten kv=bf16 page=64"));
    CHECK(has(shown.out, "llvm=22.1"));
  }
}

TEST_CASE("pagejit-cache show: nothing found is exit code 3, and says how to see what there is") {
  Filled cache;
  Ran ran = run_program("pagejit-cache show ffffffffffffff" + cache.option());
  CHECK(ran.code == 3);
  CHECK(has(ran.err, "PJ0003"));
  CHECK(has(ran.err, "pagejit-cache list"));
}

TEST_CASE("pagejit-cache verify: 0 when every byte is right, 4 with the file's name when one is not") {
  Filled cache;
  Ran good = run_program("pagejit-cache verify" + cache.option());
  CHECK(good.code == 0);
  CHECK(has(good.out, "2 entries checked, 0 damaged"));
  spoil_one(cache.folder.path());
  Ran bad = run_program("pagejit-cache verify" + cache.option());
  CHECK(bad.code == 4);
  CHECK(has(bad.out, "2 entries checked, 1 damaged"));
  CHECK(has(bad.out, ".pj"));
}

TEST_CASE("pagejit-cache: a folder that is no cache is exit code 3, a wrong command 2") {
  Ran none = run_program("pagejit-cache list --cache /nowhere");
  CHECK(none.code == 3);
  CHECK(has(none.err, "/nowhere"));
  CHECK(run_program("pagejit-cache").code == 2);
  CHECK(run_program("pagejit-cache frobnicate").code == 2);
  CHECK(run_program("pagejit-cache --help").code == 0);
}
