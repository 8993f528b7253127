// The commands of pagejit-cache that only look.
#include "runtime/cache/stats_log.h"
#include "tests/tools/cache_tool_fixture.h"

using namespace pagejit;

TEST_CASE("pagejit-cache: every command's JSON begins with the schema's number") {
  FilledCache cache;
  std::string key = FilledCache::key(16);
  for (std::string command : {"stats", "list", "verify", "config", "trim", "clear --dry-run"}) {
    CAPTURE(command);
    CHECK(cache.json(command)["schema"] == 1);
  }
  for (std::string command : {"show ", "explain ", "pin ", "unpin "}) {
    CAPTURE(command);
    CHECK(cache.json(command + key)["schema"] == 1);
  }
  CHECK(cache.json("diff " + key + " " + FilledCache::key(64))["schema"] == 1);
}

TEST_CASE("pagejit-cache stats: the counters of all processes are added, those before --since left out") {
  FilledCache cache;
  {
    cache::Disk disk(cache.root(), cache::Disk::Use::read_write);
    cache::Counters recent, old;
    recent.totals = {{"hits.private", 5}, {"misses.new-spec", 2}, {"compiles", 2}};
    recent.compile_ms.add(20);
    recent.from = recent.to = std::time(nullptr);
    old.totals = {{"hits.private", 100}};
    old.from = old.to = 1'600'000'000;
    cache::append_stats(disk.folder(), recent);
    cache::append_stats(disk.folder(), old);
  }
  auto all = cache.json("stats"), today = cache.json("stats --since 1d");
  CHECK(all["hits"]["private"] == 105);
  CHECK(today["hits"]["private"] == 5);
  CHECK(today["misses"]["new-spec"] == 2);
  CHECK(today["compile_ms"]["p50"].get<double>() == doctest::Approx(20).epsilon(0.1));
  CHECK(today["holds"]["entries"] == 2);
  CHECK(cache.run("stats --zero").code == 0);
  CHECK(cache.json("stats")["hits"].empty());
  CHECK(cache.run("stats --since tomorrow").code == 2);
}

TEST_CASE("pagejit-cache list: filters compare numbers as numbers, and all must match") {
  FilledCache cache;
  auto pages = [&](const std::string& words) {
    std::string found;
    auto json = cache.json("list " + words);
    for (const auto& entry : json["entries"])
      found += entry["spec"].get<std::string>().find("page=16") != std::string::npos ? "16 " : "64 ";
    return found;
  };
  CHECK(pages("") == "16 64 ");
  CHECK(pages("'spills>0'") == "64 ");
  CHECK(pages("'registers<=80' 'registers>=80'") == "64 ");
  CHECK(pages("'registers<100' page=16") == "16 ");
  CHECK(pages("page!=16") == "64 ");
  CHECK(pages("flatten sm_90a") == "16 64 ");
  CHECK(pages("sm_80") == "");
  CHECK(pages("nosuch=1") == "");
  CHECK(pages("--sort=-registers") == "64 16 ");
  CHECK(pages("--sort registers") == "16 64 ");
  CHECK(cache.run("list '=3'").code == 2);
  CHECK(cache.run("list --sort nosuch").code == 2);
}

TEST_CASE("pagejit-cache show: cause, stages, and the occupancy with what limits it") {
  FilledCache cache;
  auto small = cache.json("show " + FilledCache::key(16)), large = cache.json("show " + FilledCache::file(64));
  CHECK(small["cause"] == "new-spec");
  CHECK(small["ms"]["emit"] == 1.5);
  // 256 threads are 8 of sm_90's 64 warps: 8 blocks fill it. With 80 registers a thread a scheduler's 16,384 registers
  // hold 6 warps, so that 24 of 64 have room.
  CHECK(small["occupancy"]["percent"] == 100);
  CHECK(large["occupancy"]["percent"] == 37);
  CHECK(large["occupancy"]["limiter"] == "registers");
  CHECK(has(cache.run("show 'flatten page=64'").out, "37 %: 3 blocks of 256 threads"));
}

TEST_CASE("pagejit-cache explain: a cached kernel is a hit, another page's names the field that differs") {
  FilledCache cache;
  auto hit = cache.json("explain " + FilledCache::key(16));
  CHECK(hit["cached"] == true);
  auto miss = cache.json("explain 'flatten page=32'");
  CHECK(miss["cached"] == false);
  CHECK(miss["cause"] == "new-spec");
  REQUIRE(miss["changes"].size() == 1);
  CHECK(miss["changes"][0]["name"] == "spec.page");
  CHECK(miss["changes"][0]["wanted"] == "32");
  CHECK(cache.json("explain 'flatten page=16' --target sm_80")["cause"] == "new-target");
  CHECK(cache.run("explain ffffffffffffffff").code == 3);
  CHECK(cache.run("explain 'flatten page=none'").code == 2);
}

TEST_CASE("pagejit-cache explain: a build without a compiler says so, instead of what it would have compiled with") {
  FilledCache cache;
  bool compiles = !compiler_producer().empty();
  Ran miss = cache.run("explain 'flatten page=32'");
  CHECK(has(miss.out, "Nothing is compiled (new-spec): this build has no compiler") == !compiles);
  CHECK(has(miss.out, "Compiled because no kernel of this Spec was cached") == compiles);
  CHECK(cache.json("explain 'flatten page=32'")["compiler"] == compiles);
  if (compiles) return;
  setenv("PAGEJIT_PRODUCER", "exact", 1);
  Ran exact = cache.run("explain 'flatten page=16'");
  unsetenv("PAGEJIT_PRODUCER");
  CHECK(has(exact.out, "llvm: 22.1 → (this build has no compiler)"));
  CHECK(has(cache.run("explain 'flatten page=16'").out, "the kernel is cached"));
}

TEST_CASE("pagejit-cache diff: the fields, the facts and the lines of PTX that differ, and no others") {
  FilledCache cache;
  auto diff = cache.json("diff " + FilledCache::key(16) + " " + FilledCache::key(64));
  CHECK(diff["key"].size() == 1);
  CHECK(diff["producer"].empty());
  CHECK(diff["ptx"] == " .entry flatten\n-mov r1, 16;\n+mov r1, 64;\n ret;\n");
  CHECK(has(cache.run("diff " + FilledCache::key(16) + " " + FilledCache::key(16)).out, "PTX: equal"));
}

TEST_CASE("pagejit-cache extract: one part goes to stdout byte for byte, several into a folder, an absent one is 3") {
  FilledCache cache;
  std::string key = FilledCache::key(16);
  CHECK(cache.run("extract " + key + " --ptx").out == ".entry flatten\nmov r1, 16;\nret;\n");
  CHECK(cache.run("extract " + key + " --key").out == FilledCache::request(16).key_text);
  CHECK(cache.run("extract " + key + " --cubin").code == 3);
  CHECK(cache.run("extract " + key).code == 2);
  CHECK(cache.run("extract " + key + " --ptx --key").code == 2);
  std::string out = cache.beside("out");
  CHECK(cache.run("extract " + key + " --ptx --key --out '" + out + "'").code == 0);
  CHECK(std::filesystem::exists(out + "/" + key + ".ptx"));
  CHECK(std::filesystem::exists(out + "/" + key + ".key"));
}

TEST_CASE("pagejit-cache extract --sass: without a disassembler it says what it looked for, and ends with 8") {
  FilledCache cache;
  Request request = FilledCache::request(32);
  Artifact a = FilledCache::artifact(request, 32);
  a.cubin = "machine code";
  cache::Disk(cache.root(), cache::Disk::Use::read_write).put(request, a, "", false);
  if (std::filesystem::exists("/usr/local/cuda/bin/nvdisasm")) return;
  Ran ran = cache.run("extract " + hex64(request.key_id) + " --sass");
  CHECK(ran.code == 8);
  CHECK(has(ran.err, "PJ0012"));
  CHECK(has(ran.err, "nvdisasm"));
}

TEST_CASE("pagejit-cache check: 0 where all is there, 3 with the gaps' names where not, 2 for a bad manifest") {
  FilledCache cache;
  auto manifest = [&](const std::string& line) {
    std::ofstream(cache.beside("manifest")) << "pagejit-manifest 1\ntarget sm_90a\n" << line << "\n";
    return cache.run("check '" + cache.beside("manifest") + "'");
  };
  CHECK(manifest("flatten page=16,64").code == 0);
  Ran gap = manifest("flatten page=16,32");
  CHECK(gap.code == 3);
  CHECK(has(gap.out, "page=32"));
  CHECK_FALSE(has(gap.out, "page=16"));
  CHECK(has(gap.out, "1 present, 1 missing"));
  CHECK(manifest("flatten pages=16").code == 2);
}

TEST_CASE("pagejit-cache config: says of each setting whether the environment gave it") {
  FilledCache cache;
  Ran ran = run_program("env PAGEJIT_JOBS=3 pagejit-cache config --json --cache '" + cache.root() + "'");
  std::size_t seen = 0;
  auto json = nlohmann::json::parse(ran.out);
  for (const auto& row : json["settings"])
    if (row["name"] == "PAGEJIT_JOBS") {
      ++seen;
      CHECK(row["value"] == "3");
      CHECK(row["from"] == "environment");
    } else if (row["name"] == "PAGEJIT_MAX_LOADED") {
      CHECK(row["from"] == "default");
    }
  CHECK(seen == 1);
}

TEST_CASE("pagejit-cache: a folder that others may write is exit code 6") {
  FilledCache cache;
  std::filesystem::permissions(cache.root(), std::filesystem::perms::all);
  Ran ran = cache.run("list");
  CHECK(ran.code == 6);
  CHECK(has(ran.err, "PJ0009"));
}
