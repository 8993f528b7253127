#include "tools/manifest.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "kernels/registry.h"
#include "runtime/base/error.h"
#include "tests/support/seed.h"

using namespace pagejit;

namespace {

Manifest parse(const std::string& body, ManifestRules rules = {}) {
  return parse_manifest("pagejit-manifest 1\n" + body, "some.manifest", rules);
}

/// What is said of a text that must be refused.
std::string refusal(const std::string& text, ManifestRules rules = {}) {
  try {
    parse_manifest(text, "m", rules);
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    return e.what();
  }
  return "accepted";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> canonical(std::vector<std::string> lines) {
  for (std::string& line : lines) line = family_of(line).canonical(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("manifest: comma lists multiply out, and every field of the family is written") {
  Manifest m = parse("target sm_90a,sm_80\nflatten page=16,64 tail=zero,untouched\n");
  CHECK(m.targets == std::vector<std::string>{"sm_80", "sm_90a"});
  CHECK(m.lines == canonical({"flatten page=16 tail=zero", "flatten page=16 tail=untouched",
                              "flatten page=64 tail=zero", "flatten page=64 tail=untouched"}));
}

TEST_CASE("manifest: a default holds for lines that do not name the field, before it and after it") {
  Manifest m = parse("flatten dim_k=64 dim_v=64\ndefault page=16,32\nflatten dim_k=80 dim_v=80 page=61\n");
  CHECK(m.lines == canonical({"flatten dim_k=64 dim_v=64 page=16", "flatten dim_k=64 dim_v=64 page=32",
                              "flatten dim_k=80 dim_v=80 page=61"}));
}

TEST_CASE("manifest: a default is nothing to a family without the field") {
  Manifest m = parse("default tail=untouched\nindices\nflatten\n");
  CHECK(m.lines == canonical({"flatten tail=untouched", "indices"}));
}

TEST_CASE("manifest: an exclusion takes away what has all of its values, fallbacks included") {
  Manifest m = parse("flatten page=16,64 tail=zero,untouched\nexclude flatten page=16 tail=untouched\n");
  CHECK(m.lines.size() == 3);
  CHECK(parse("flatten page=16,32,48\nexclude flatten page=16,48\n").lines == canonical({"flatten page=32"}));
  CHECK(has(refusal("pagejit-manifest 1\nflatten page=16\nexclude flatten tail=zero\n"), "asks for nothing"));
}

TEST_CASE("manifest: a variant that no kernel can be is refused, unless it is excluded") {
  std::string line = "flatten joint=0,1 dim_v=64\n";  // joint heads have one dim for both
  std::string said = refusal("pagejit-manifest 1\n" + line);
  CHECK(has(said, "m:2:1: "));
  CHECK(has(said, "joint=1"));
  CHECK(has(said, "exclude"));
  CHECK(parse(line + "exclude flatten joint=1\n").lines == canonical({"flatten joint=0 dim_v=64"}));
}

TEST_CASE("manifest: spaces, comments, empty lines and repeated lines change nothing") {
  Manifest plain = parse("target sm_90a\nflatten page=16\n");
  Manifest odd = parse(
      "# what the server asked for\n\n\ttarget sm_90a  # ours\r\n  flatten   page=16,16\nflatten page=16\n"
      "pagejit-manifest 1\ntarget sm_90a\n");
  CHECK(plain.lines == odd.lines);
  CHECK(plain.targets == odd.targets);
}

TEST_CASE("manifest: what is printed of a spec can be pasted, and is itself") {
  Manifest m = parse("flatten page=61 align=4\nindices\n");
  std::string all;
  for (const std::string& line : m.lines) all += line + "\n";
  CHECK(parse(all).lines == m.lines);
}

TEST_CASE("manifest: every mistake is named with its line and column") {
  struct Row {
    const char *text, *at, *says;
  };
  for (Row row : {
           Row{"", "m:1:1: ", "no manifest"},
           Row{"flatten page=16\n", "m:1:1: ", "pagejit-manifest 1"},
           Row{"pagejit-manifest 2\n", "m:1:18: ", "'2' is not a version"},
           Row{"pagejit-manifest 1\nflatten pag=16\n", "m:2:9: ", "nearest  page"},
           Row{"pagejit-manifest 1\nflatten tail=zero page=16,none\n", "m:2:27: ", "page is none"},
           Row{"pagejit-manifest 1\nflatten page=0\n", "m:2:14: ", "at least 1"},
           Row{"pagejit-manifest 1\nflatten page=16,,64\n", "m:2:17: ", "nothing is asked for"},
           Row{"pagejit-manifest 1\nflatten page=\n", "m:2:14: ", "nothing is asked for"},
           Row{"pagejit-manifest 1\nflatten page\n", "m:2:9: ", "field=value"},
           Row{"pagejit-manifest 1\nflatten page=16 page=64\n", "m:2:17: ", "given twice"},
           Row{"pagejit-manifest 1\nflatten page=%g0\n", "m:2:14: ", "%"},
           Row{"pagejit-manifest 1\n\nflattn page=16\n", "m:3:1: ", "nearest  flatten"},
           Row{"pagejit-manifest 1\ndefault page=16\ndefault tail=zero page=64\n", "m:3:19: ", "line 2, column 9"},
           Row{"pagejit-manifest 1\ndefault pagee=16\n", "m:2:9: ", "nearest  page"},
           Row{"pagejit-manifest 1\ndefault\n", "m:2:1: ", "default field=value"},
           Row{"pagejit-manifest 1\ndefault page=none\nflatten\n", "m:2:14: ", "page is none"},
           Row{"pagejit-manifest 1\ntarget\n", "m:2:1: ", "no target"},
           Row{"pagejit-manifest 1\ntarget sm_80,h200\n", "m:2:14: ", "h200"},
           Row{"pagejit-manifest 1\nexclude flatten\n", "m:2:1: ", "without a field"},
           Row{"pagejit-manifest 1\nexclude flatten pag=1\n", "m:2:17: ", "pag"},
       }) {
    std::string said = refusal(row.text);
    CAPTURE(row.text);
    CAPTURE(said);
    CHECK(has(said, row.at));
    CHECK(has(said, row.says));
  }
}

TEST_CASE("manifest: a target must be one that there is, where that is known") {
  CHECK(has(refusal("pagejit-manifest 1\ntarget sm_42\n", {.targets = {"sm_80", "sm_90a"}}), "sm_80, sm_90a"));
  CHECK(parse("target sm_42\n").targets == std::vector<std::string>{"sm_42"});
}

TEST_CASE("manifest: more lines than are allowed are refused before they are made") {
  std::string pages = "page=1", dims = "dim_k=1";
  for (int i = 2; i <= 1000; ++i) {
    pages += "," + std::to_string(i);
    dims += "," + std::to_string(i);
  }
  std::string said = refusal("pagejit-manifest 1\nflatten " + pages + " " + dims + "\n");
  CHECK(has(said, "10000"));
  CHECK(has(said, "--yes"));
  CHECK(parse("flatten " + pages + "\n", {.most_lines = 1000}).lines.size() == 1000);
  CHECK(has(refusal("pagejit-manifest 1\nflatten page=1,2\nindices\n", {.most_lines = 2}), "m:3:1: "));
}

TEST_CASE("manifest: no text does worse than be refused") {
  std::mt19937_64 random = random_for("manifest");
  const std::string good =
      "pagejit-manifest 1\ntarget sm_80,sm_90a\ndefault page=16,64\nflatten tail=zero,untouched align=4  # twelve\n"
      "exclude flatten page=16 tail=zero\nindices\n";
  const std::string alphabet = "=,%# \n\tpage16flatten\xff\0z";
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = good;
    for (int change = 0; change <= i % 4; ++change) {
      std::size_t at = random() % text.size(), bytes = random() % 9;
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, bytes);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), bytes));
      }
      if (text.empty()) text = "\n";
    }
    try {
      parse_manifest(text, "m");
      ++accepted;
    } catch (const Error& e) {
      CAPTURE(text);
      REQUIRE(e.code() == Code::argument);
      REQUIRE(e.message().starts_with("m:"));
    }
  }
  CHECK(accepted > 0);
}
