// The commands of pagejit-cache that change a cache.
#include "tests/tools/cache_tool_fixture.h"

using namespace pagejit;

TEST_CASE("pagejit-cache verify --repair: the damaged entry is moved aside, and what is left is sound") {
  FilledCache cache;
  cache.spoil(64);
  CHECK(cache.run("verify").code == 4);
  CHECK(cache.there(64));
  CHECK(cache.run("verify --repair").code == 0);
  CHECK_FALSE(cache.there(64));
  CHECK(std::filesystem::exists(cache.root() + "/v1/bad/" + FilledCache::file(64)));
  CHECK(cache.there(16));
  CHECK(has(cache.run("verify").out, "1 entries checked, 0 damaged"));
}

TEST_CASE("pagejit-cache verify: an entry under another kernel's name is damage") {
  FilledCache cache;
  std::filesystem::copy_file(cache.path(16), cache.path(64), std::filesystem::copy_options::overwrite_existing);
  Ran ran = cache.run("verify");
  CHECK(ran.code == 4);
  CHECK(has(ran.out, FilledCache::file(64)));
}

TEST_CASE("pagejit-cache trim: the least recently used go, --dry-run removes nothing, pins and the young stay") {
  FilledCache cache;
  cache.age(16, 48);
  auto dry = cache.json("trim --entries 1 --dry-run");
  CHECK(dry["removed"]["entries"] == 1);
  CHECK(cache.there(16));
  CHECK(cache.run("pin " + FilledCache::key(16)).code == 0);
  CHECK(cache.json("trim --entries 0")["removed"]["entries"] == 0);
  CHECK(cache.json("trim --age 1d")["removed"]["entries"] == 0);
  CHECK(cache.run("unpin " + FilledCache::key(16)).code == 0);
  CHECK(cache.json("trim --age 3d")["removed"]["entries"] == 0);
  CHECK(cache.json("trim --age 1d")["removed"]["files"][0] == FilledCache::file(16));
  CHECK_FALSE(cache.there(16));
  CHECK(cache.there(64));
  CHECK(cache.run("trim --size many").code == 2);
}

TEST_CASE("pagejit-cache clear: asks where it can, removes only what matches, and leaves pinned entries") {
  FilledCache cache;
  CHECK(cache.run("clear").code == 2);
  CHECK(cache.run("clear --dry-run").code == 0);
  CHECK((cache.there(16) && cache.there(64)));
  CHECK(cache.run("clear page=64 --yes").code == 0);
  CHECK((cache.there(16) && !cache.there(64)));
  cache.run("pin " + FilledCache::key(16));
  CHECK(cache.run("clear --yes").code == 0);
  CHECK(cache.there(16));
}

TEST_CASE("pagejit-cache clear: without filters, damaged entries go as well") {
  FilledCache cache;
  cache.spoil(16);
  CHECK(cache.run("clear --yes").code == 0);
  CHECK_FALSE((cache.there(16) || cache.there(64)));
}

TEST_CASE("pagejit-cache pin: what was pinned is said, a second time changes nothing, an unknown key is 3") {
  FilledCache cache;
  auto first = cache.json("pin " + FilledCache::key(16).substr(0, 12));
  CHECK(first["pins"][0]["pin"] == FilledCache::key(16));
  CHECK(first["pins"][0]["changed"] == true);
  CHECK(cache.json("pin " + FilledCache::key(16))["pins"][0]["changed"] == false);
  CHECK(cache.json("list")["entries"][0]["pinned"] == true);
  CHECK(cache.json("list")["entries"][1]["pinned"] == false);
  CHECK(cache.run("pin ffffffffffffffff").code == 3);
  CHECK(cache.json("pin 'flatten page=64'")["pins"][0]["pin"] == hex64(FilledCache::request(64).spec_id));
  std::filesystem::remove(cache.path(16));
  CHECK(cache.json("unpin " + FilledCache::key(16))["pins"][0]["changed"] == true);
}

TEST_CASE("pagejit-cache export and import: a bundle carries the entries into another folder, once") {
  FilledCache cache;
  std::string bundle = cache.beside("two.pjpack"), other = cache.beside("other");
  CHECK(cache.json("export '" + bundle + "'")["added"] == 2);
  auto import = [&](const std::string& file) {
    return nlohmann::json::parse(cache.run_on(other, "import --json '" + file + "'").out);
  };
  CHECK(import(bundle)["added"] == 2);
  CHECK(import(bundle)["present"] == 2);
  CHECK(import(cache.root())["present"] == 2);
  CHECK(import(cache.path(16))["present"] == 1);
  CHECK(nlohmann::json::parse(cache.run_on(other, "list --json").out)["entries"].size() == 2);
  CHECK(cache.run("import /nowhere").code == 3);
}

TEST_CASE("pagejit-cache export: with filters only what matches; what is damaged is refused, and the end is 4") {
  FilledCache cache;
  std::string bundle = cache.beside("some.pjpack");
  CHECK(cache.json("export '" + bundle + "' page=64")["added"] == 1);
  cache.spoil(64);
  CHECK(cache.run("export '" + bundle + "'").code == 4);
}

TEST_CASE("pagejit-cache: a bundle is looked into as a folder is, and is never changed") {
  FilledCache cache;
  std::string bundle = cache.beside("two.pjpack"), key = FilledCache::key(16);
  REQUIRE(cache.run("export '" + bundle + "'").code == 0);
  for (std::string command : {"list", "verify", "stats", "config"}) {
    CAPTURE(command);
    CHECK(cache.run_on(bundle, command).code == 0);
  }
  CHECK(has(cache.run_on(bundle, "explain " + key).out, "Nothing is compiled"));
  CHECK(has(cache.run_on(bundle, "extract --ptx " + key).out, "mov r1, 16"));
  for (const std::string& command :
       std::vector<std::string>{"trim", "clear --yes", "verify --repair", "stats --zero", "import " + bundle}) {
    CAPTURE(command);
    CHECK(cache.run_on(bundle, command).code == 2);
  }
  CHECK(cache.run_on(bundle, "pin " + key).code == 2);
}
