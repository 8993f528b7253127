#include "runtime/base/request.h"

#include <doctest/doctest.h>

#include "runtime/base/artifact.h"
#include "runtime/base/settings.h"
#include "runtime/cache/root.h"
#include "tests/runtime/support.h"

namespace pagejit {
namespace {
using testing::contains;
using testing::thrown;

TEST_CASE("the key text of a request is this text, and its ids are these") {
  Request r = make_request("flatten kv=bf16 align=16", "sm_90a", "out ptr 0\nsize 8\n", "feed");
  CHECK(r.spec_line == "flatten align=16 kv=bf16");
  CHECK(r.key_text ==
        "pagejit-key 1\n"
        "abi=" +
            hash128_hex("out ptr 0\nsize 8\n") +
            "\n"
            "family=flatten\n"
            "generator=feed\n"
            "spec.align=16\n"
            "spec.kv=bf16\n"
            "target=sm_90a\n");
  // XXH3 is fixed for ever; a change here makes every stored kernel unreachable.
  CHECK(hash128_hex("") == "99aa06d3014798d86001c324468d497f");
  CHECK(hash64("") == 0x6001c324468d497fu);
  CHECK(r.spec_id == hash64(r.spec_line));
  CHECK(r.key_id == hash64(r.key_text));
}

TEST_CASE("a key text gives back the request it came from") {
  Request r = make_request("f note=a%20b page=61", "sm_80", "abi", "gen");
  Request back = request_of_key(r.key_text);
  CHECK(back.spec_line == r.spec_line);
  CHECK(back.target == r.target);
  CHECK(back.spec_id == r.spec_id);
  CHECK(back.key_id == r.key_id);
  CHECK(thrown([] { request_of_key("something else"); }).code() == Code::damaged);
}

TEST_CASE("facts round-trip, unknown facts are skipped, and a fact that cannot be read is damage") {
  KernelFacts f;
  f.symbol = "a kernel";
  f.pdl = true;
  f.registers = 168;
  f.chip = "9.0";
  CHECK(KernelFacts::parse(f.text()).text() == f.text());
  CHECK(KernelFacts::parse(f.text() + "colour=red\n").text() == f.text());
  CHECK(thrown([] { KernelFacts::parse("block=many\n"); }).code() == Code::damaged);
}

TEST_CASE("an error's fields stand below its first line, values in one column") {
  Error e(Code::miss, "not here", {{"spec", "f a=1"}, {"nearest", "f a=2"}});
  CHECK(std::string(e.what()) == "pagejit: error PJ0003: not here\n  spec     f a=1\n  nearest  f a=2");
  CHECK(std::string(e.with("to add", "x").what()).ends_with("\n  to add   x"));
}

TEST_CASE("a setting that is not known, or has a bad value, costs a warning and leaves the default") {
  Settings s = Settings::read({"PAGEJIT_MODE=requier", "PAGEJIT_CACHE_DIRR=/x", "PAGEJIT_CACHE=ro", "OTHER=1"});
  CHECK(s.mode == "auto");
  CHECK(s.cache == "ro");
  REQUIRE(s.warnings.size() == 2);
  CHECK(contains(s.warnings[0], "PAGEJIT_MODE=requier is not one of auto, require, rebuild; did you mean require?"));
  CHECK(contains(s.warnings[1], "PAGEJIT_CACHE_DIRR is not a variable of pagejit; the nearest is PAGEJIT_CACHE_DIR"));
}

TEST_CASE("a process with more rights than its caller takes no path from the environment") {
  Settings s = Settings::read({"PAGEJIT_CACHE_DIR=/tmp/x", "PAGEJIT_MODE=require"}, true);
  CHECK(s.cache_dir.empty());
  CHECK(s.mode == "require");
}

TEST_CASE("the cache's root is the one that was named, else XDG's, else the home folder's, else none") {
  auto root = [](std::vector<std::string> environment) { return cache::private_root(Settings::read(environment)); };
  CHECK(root({"PAGEJIT_CACHE_DIR=/a", "XDG_CACHE_HOME=/b", "HOME=/c"}) == "/a");
  CHECK(root({"XDG_CACHE_HOME=/b", "HOME=/c"}) == "/b/pagejit");
  CHECK(root({"HOME=/c"}) == "/c/.cache/pagejit");
  CHECK(root({}).empty());
}
}  // namespace
}  // namespace pagejit
