// pagejit-cache doctor and report.
#include "tests/tools/cache_tool_fixture.h"
#include "tools/files.h"

using namespace pagejit;

namespace {
std::string state_of(const nlohmann::json& findings, const std::string& name) {
  for (const auto& f : findings["findings"])
    if (f["name"] == name) return f["state"];
  return "absent";
}
}  // namespace

TEST_CASE("pagejit-cache doctor: a sound root is ok; one that others may write fails with 6") {
  FilledCache cache;
  auto sound = cache.json("doctor");
  for (const char* name : {"owner", "root", "locks", "clock", "damage", "LLVM"}) {
    CAPTURE(name);
    CHECK(state_of(sound, name) == "ok");
  }
  CHECK(std::filesystem::is_empty(cache.root() + "/v1/tmp"));
  std::filesystem::permissions(cache.root(), std::filesystem::perms::all);
  Ran open = cache.run("doctor --json");
  CHECK(open.code == 6);
  CHECK(state_of(nlohmann::json::parse(open.out), "root") == "fail");
}

TEST_CASE("pagejit-cache doctor: a layer that is not there fails, an unknown variable warns") {
  FilledCache cache;
  Ran ran = run_program("env PAGEJIT_CACHE_RO=/nowhere PAGEJIT_CACHE_DIRR=x pagejit-cache doctor --json --cache '" +
                        cache.root() + "'");
  CHECK(ran.code == 3);
  auto findings = nlohmann::json::parse(ran.out);
  CHECK(state_of(findings, "layer") == "fail");
  CHECK(state_of(findings, "setting") == "warn");
}

TEST_CASE("pagejit-cache report: a page that asks for nothing from elsewhere and has every kernel in it") {
  FilledCache cache;
  std::string file = cache.beside("report.html");
  CHECK(cache.run("report --html '" + file + "'").code == 0);
  std::string html = read_whole_file(file);
  for (int page : {16, 64}) CHECK(has(html, FilledCache::key(page)));
  CHECK(has(html, "flatten sm_90a: 2"));
  for (const char* from_elsewhere : {"<script", "<link", "src=", "href=", "url(", "@import"}) {
    CAPTURE(from_elsewhere);
    CHECK_FALSE(has(html, from_elsewhere));
  }
  CHECK(cache.run("report").code == 2);
}
