// pagejit-cache explain: each thing that can change has its own cause and its own sentence.
#include "tests/tools/cache_tool_fixture.h"

using namespace pagejit;

namespace {

struct Explained {
  std::string cause, sentence, first_change;
};

Explained explain(const FilledCache& cache, const std::string& words) {
  nlohmann::json json = cache.json("explain " + words);
  if (json["cached"]) return {"", json["sentence"], ""};
  const nlohmann::json& changes = json["changes"];
  return {json["cause"], json["sentence"], changes.empty() ? "" : changes[0]["name"].get<std::string>()};
}

/// Stores flatten with page 128 as a build would have made it that differs in this.
void put(const FilledCache& cache, const Request& request, const std::string& producer = FilledCache::producer(),
         const std::string& cubin = "") {
  Artifact a = FilledCache::artifact(request, 128);
  a.producer = producer;
  a.cubin = cubin;
  a.facts.chip = cubin.empty() ? "" : "9.0";
  a.facts.driver = cubin.empty() ? 0 : 12080;
  cache::Disk(cache.root(), cache::Disk::Use::read_write).put(request, a, "", false);
}

/// A build without a compiler says the cause alone.
void check(const Explained& e, const std::string& cause, const std::string& sentence) {
  CHECK(e.cause == cause);
  bool said = !compiler_producer().empty() || cause == "assembler";
  CHECK(e.sentence == (said ? sentence
                            : "Nothing is compiled (" + cause +
                                  "): this build has no compiler, and whoever asks for the kernel gets PJ0003."));
}

constexpr char line[] = "'flatten page=128' --target sm_90a";

}  // namespace

TEST_CASE("pagejit-cache explain: another page size is a new Spec, and the nearest one's is named") {
  FilledCache cache;
  std::filesystem::remove(cache.path(64));
  Explained e = explain(cache, "'flatten page=32' --target sm_90a");
  check(e, "new-spec", "Compiled because no kernel of this Spec was cached; the nearest differs in page (16 → 32).");
  CHECK(e.first_change == "spec.page");
}

TEST_CASE("pagejit-cache explain: another alignment class is said to be that") {
  FilledCache cache;
  Explained e = explain(cache, "'flatten page=16 align=4'");
  check(e, "new-spec", "Compiled because this Spec was cached for another alignment class only: align (16 → 4).");
}

TEST_CASE("pagejit-cache explain: another target") {
  FilledCache cache;
  Explained e = explain(cache, "'flatten page=16' --target sm_80");
  check(e, "new-target", "Compiled because this Spec was cached for other targets only.");
  CHECK(e.first_change == "target");
}

TEST_CASE("pagejit-cache explain: another template source is another generator, another struct another abi") {
  for (std::string_view what : {"generator", "abi"}) {
    FilledCache cache;
    Request now = FilledCache::request(128);
    bool abi = what == "abi";
    put(cache, make_request(now.spec_line, now.target, abi ? "x int 0\n" : family_of("flatten").abi(),
                            abi ? key_value(now.key_text, "generator") : "0123456789abcdef0123456789abcdef"));
    Explained e = explain(cache, line);
    CHECK(e.first_change == what);
    check(e, std::string(what),
          abi ? "Recompiled because the Params struct changed; Spec and options are equal."
              : "Recompiled because the generator changed; Spec and options are equal.");
  }
}

TEST_CASE("pagejit-cache explain: another LLVM, for a build that has one") {
  FilledCache cache;
  put(cache, FilledCache::request(128), "assembler=none\ncubin=none\nllvm=1.0\n");
  Explained e = explain(cache, line);
  if (compiler_producer().empty()) {
    CHECK(e.sentence == "Nothing is compiled: the kernel is cached.");
    return;
  }
  check(e, "llvm", "Recompiled because another LLVM made the cached kernel; its key is equal.");
  CHECK(e.first_change == "llvm");
}

TEST_CASE("pagejit-cache explain: another assembler, and none yet") {
  FilledCache cache;
  std::string llvm = compiler_producer().empty() ? "llvm=22.1\n" : compiler_producer();
  put(cache, FilledCache::request(128), "assembler=driver 12080\ncubin=9.0\n" + llvm, "machine code");
  auto with = [&](const std::string& assembler) {
    return explain(cache, std::string(line) + " --assembler '" + assembler + "'");
  };
  CHECK(with("driver 12080").sentence == "Nothing is compiled: the kernel is cached.");
  if (!compiler_producer().empty()) {
    CHECK(with("driver 13000").cause == "assembler");
    CHECK(with("driver 13000").sentence == "Assembled again because another assembler made the cached machine code.");
    CHECK(with("ptxas 13.0.88").first_change == "assembler");
    CHECK(explain(cache, "'flatten page=16' --assembler 'driver 13000'").sentence ==
          "Assembled because only PTX was cached; its key is equal.");
  }
  for (const char* wrong : {"driver", "driver x", "nvcc 13.0", "ptxas x"})
    CHECK(cache.run(std::string("explain ") + line + " --assembler '" + wrong + "'").code == 2);
}

TEST_CASE("pagejit-cache explain: a damaged entry") {
  FilledCache cache;
  {
    std::fstream entry(cache.path(16), std::ios::in | std::ios::out | std::ios::binary);
    entry.seekp(100);
    entry.put('!');
  }
  Explained e = explain(cache, "'flatten page=16' --target sm_90a");
  check(e, "corrupt", "Recompiled because the cached file was damaged.");
  CHECK(cache.there(16));  // only looked at
}
