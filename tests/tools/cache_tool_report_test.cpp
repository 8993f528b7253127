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

namespace {
std::string report(const FilledCache& cache, const std::string& root) {
  std::string file = cache.beside("report.html");
  CHECK(cache.run_on(root, "report --html '" + file + "'").code == 0);
  return read_whole_file(file);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Elements that are opened are closed, and nothing is on the page that no CSS or HTML number is.
void check_well_formed(const std::string& html) {
  for (std::string element : {"table", "figure", "section", "details", "td", "tr", "li", "ol", "dl", "dd", "main"}) {
    CAPTURE(element);
    CHECK(count(html, "<" + element + ">") + count(html, "<" + element + " ") == count(html, "</" + element + ">"));
  }
  for (const char* odd : {":nan", ":inf", ":-", "%!"}) CHECK_FALSE(has(html.substr(html.find("</style>")), odd));
}
}  // namespace

TEST_CASE("pagejit-cache report: a page that asks for nothing from elsewhere and has every kernel in it") {
  FilledCache cache;
  std::string html = report(cache, cache.root());
  check_well_formed(html);
  for (int page : {16, 64}) CHECK(has(html, FilledCache::key(page)));
  for (const char* from_elsewhere : {"<script", "<link", "src=", "href=", "url(", "@import"}) {
    CAPTURE(from_elsewhere);
    CHECK_FALSE(has(html, from_elsewhere));
  }
  CHECK(cache.run("report").code == 2);
}

TEST_CASE("pagejit-cache report: what kernels have in common is said once, what tells them apart with each") {
  FilledCache cache;
  std::string html = report(cache, cache.root());
  CHECK(count(html, "<code>target=sm_90a</code>") == 1);
  CHECK(count(html, "<code>page=16</code>") == 1);
  CHECK(count(html, "<code>page=64</code>") == 1);
  CHECK(count(html, "37 %") == 1);  // 80 registers, 256 threads
  CHECK(has(html, "<td data-name=\"spills\" class=\"bad\">8</td>"));
}

TEST_CASE("pagejit-cache report: an empty cache and one kernel give a page as well") {
  FilledCache cache;
  std::string empty = cache.beside("empty"), one = cache.beside("one");
  cache::Disk(empty, cache::Disk::Use::read_write);
  cache::Disk(one, cache::Disk::Use::read_write)
      .put(FilledCache::request(16), FilledCache::artifact(FilledCache::request(16), 16), "", false);
  std::string none = report(cache, empty), single = report(cache, one);
  check_well_formed(none);
  check_well_formed(single);
  CHECK(has(none, "There are no kernels."));
  CHECK_FALSE(has(none, "<details"));
  CHECK(has(single, "1 kernel,"));
  CHECK(has(single, "<code>page=16</code>"));
  CHECK(has(single, FilledCache::key(16)));
}

TEST_CASE("pagejit-cache report: five hundred kernels are folded by family, and each is there") {
  FilledCache cache;
  {
    cache::Disk disk(cache.root(), cache::Disk::Use::read_write);
    for (int page = 1000; page < 1498; ++page)
      disk.put(FilledCache::request(page), FilledCache::artifact(FilledCache::request(page), page), "", false);
  }
  std::string html = report(cache, cache.root());
  check_well_formed(html);
  CHECK(has(html, "500 kernels,"));
  CHECK(count(html, "<tr><td><code>") == 500);
  CHECK(count(html, "<details>") == 1);  // not <details open>
}
