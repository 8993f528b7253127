// Why a kernel was not cached.
#include "runtime/cache/classify.h"

#include <doctest/doctest.h>

#include "runtime/cache/disk.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"
#include "tests/runtime/support.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

constexpr char line[] = "flatten align=16 page=64";
constexpr char assembler[] = "assembler=driver 13000\ncubin=9.0";

Request request(const char* target = "sm_90a", const char* abi = "abi", const char* generator = "gen") {
  return make_request(line, target, abi, generator);
}

struct Cached {
  TempFolder folder;
  Layers layers;
  Disk* disk = nullptr;

  Cached() {
    auto own = std::make_unique<Disk>(folder.path(), Disk::Use::read_write);
    disk = own.get();
    layers.add(std::move(own));
  }
  void put(const Request& r, const std::string& producer = full_producer("llvm=22\n", assembler)) {
    Artifact a = sample_artifact();
    a.key_text = r.key_text;
    a.producer = producer;
    a.facts.chip = "9.0";
    a.facts.driver = 13000;
    disk->put(r, a, "", false);
  }
  Miss miss(const Request& r) { return classify(layers, want(r)); }
  static Wanted want(const Request& r) {
    Wanted w{r, "llvm=22\n", assembler, "9.0"};
    w.driver = 13000;
    return w;
  }
};

TEST_CASE("a spec line that nobody asked for is a new spec, whatever else is cached") {
  Cached c;
  Request r = request();
  CHECK(c.miss(r).cause == Cause::new_spec);
  c.put(make_request("flatten align=16 page=61", "sm_90a", "abi", "gen"));
  CHECK(c.miss(r).cause == Cause::new_spec);
}

TEST_CASE("what differs from the entry of the same spec line is the cause") {
  struct {
    Request cached;
    Cause cause;
    const char* field;
  } cases[] = {{request("sm_80"), Cause::new_target, "target"},
               {request("sm_90a", "other"), Cause::abi, "abi"},
               {request("sm_90a", "other", "other"), Cause::abi, "abi"},
               {request("sm_90a", "abi", "other"), Cause::generator, "generator"}};
  for (const auto& each : cases) {
    Cached c;
    c.put(each.cached);
    Request r = request();
    Miss miss = c.miss(r);
    CHECK(miss.cause == each.cause);
    REQUIRE_FALSE(miss.changes.empty());
    CHECK(miss.changes[0].name == each.field);
    CHECK(miss.changes[0].wanted == key_value(r.key_text, each.field));
    CHECK(miss.changes[0].cached == key_value(each.cached.key_text, each.field));
  }
}

TEST_CASE("options of code generation are a cause of their own") {
  Cached c;
  Request r = request(), other = r;
  std::size_t at = other.key_text.find("spec.");
  other.key_text.insert(at, "opt.level=1\n");
  other.key_id = hash64(other.key_text);
  c.put(other);
  CHECK(c.miss(r).cause == Cause::options);
}

TEST_CASE("an entry of our own target says more than another target's") {
  Cached c;
  c.put(request("sm_80"));
  c.put(request("sm_90a", "other", "other"));
  Request r = request();
  CHECK(c.miss(r).cause == Cause::abi);
}

TEST_CASE("where the key is equal, the producer is the cause: LLVM, assembler, or what policy refuses") {
  auto cause = [](const std::string& producer, bool only_exact = false) {
    Cached c;
    Request r = request();
    c.put(r, producer);
    Wanted w = Cached::want(r);
    w.only_exact = only_exact;
    return classify(c.layers, w).cause;
  };
  CHECK(cause(full_producer("llvm=21\n", assembler)) == Cause::llvm);
  CHECK(cause(full_producer("llvm=22\n", "assembler=driver 12080\ncubin=9.0")) == Cause::assembler);
  CHECK(cause(full_producer("llvm=22\n", "")) == Cause::assembler);
  CHECK(cause(full_producer("llvm=22\n", "assembler=driver 0\ncubin=9.0")) == Cause::refused);
  CHECK(cause(full_producer("llvm=22\n", "assembler=driver 12080\ncubin=9.0"), true) == Cause::refused);
}

TEST_CASE("a damaged entry is the cause, also after it was moved aside") {
  Cached c;
  Request r = request();
  c.put(r);
  std::string path = c.folder.path() + "/v1/" + shard_of(c.disk->files()[0]) + "/" + c.disk->files()[0];
  write_file(path, read_file(path).substr(0, 100));
  CHECK(c.miss(r).cause == Cause::corrupt);
  LogCapture quiet;
  CHECK_FALSE(c.layers.get(Cached::want(r)));
  CHECK(c.miss(r).cause == Cause::corrupt);
}

TEST_CASE("an explanation names each layer's answer, the fields that differ, and one sentence") {
  Cached c;
  TempFolder shared;
  Disk(shared.path(), Disk::Use::read_write);
  c.layers.add(std::make_unique<Disk>(shared.path(), Disk::Use::read_only));
  c.put(request("sm_90a", "abi", "0123"));
  Request r = request("sm_90a", "abi", "4567");
  Explanation e = explain(c.layers, Cached::want(r));
  REQUIRE(e.answers.size() == 2);
  CHECK(e.answers[0].layer == c.folder.path());
  CHECK(e.answers[0].kind == "private");
  CHECK(e.answers[1].kind == "readonly");
  REQUIRE(e.miss);
  REQUIRE(e.miss->changes.size() == 1);
  CHECK(e.miss->changes[0].cached == "0123");
  CHECK(e.miss->changes[0].wanted == "4567");
  CHECK(e.sentence() == "Recompiled because the generator changed; Spec and options are equal.");

  c.put(r);
  Explanation hit = explain(c.layers, Cached::want(r));
  CHECK_FALSE(hit.miss);
  CHECK(contains(hit.answers[0].answer, "hit "));
}

TEST_CASE("a new spec is explained by the nearest one that is cached") {
  Cached c;
  c.put(make_request("flatten align=16 page=61", "sm_90a", "abi", "gen"));
  Request r = request();
  Explanation e = explain(c.layers, Cached::want(r));
  REQUIRE(e.miss);
  CHECK(e.miss->cause == Cause::new_spec);
  REQUIRE(e.miss->changes.size() == 1);
  CHECK(e.miss->changes[0].name == "spec.page");
}

TEST_CASE("a process that wants machine code is told when only the assembling is missing, and why") {
  Cached c;
  Request r = request();
  c.put(r);
  Wanted w = Cached::want(r);
  CHECK_FALSE(explain(c.layers, w).miss);
  w.assembler = "assembler=driver 13010\ncubin=9.0";
  w.driver = 13010;
  Explanation e = explain(c.layers, w);
  REQUIRE(e.miss);
  CHECK(e.miss->cause == Cause::assembler);
  CHECK(e.sentence() == "Assembled again because another assembler made the cached machine code.");
  REQUIRE(e.miss->changes.size() == 1);
  CHECK(e.miss->changes[0].cached == "driver 13000");
  CHECK(e.miss->changes[0].wanted == "driver 13010");
}

TEST_CASE("the cause of a miss is stored with the entry") {
  TempFolder folder;
  auto compiler = std::make_shared<CountingCompiler>();
  Engine(compiler, options_for(folder.path())).artifact(request("sm_90a", "abi", "old"));
  Engine(compiler, options_for(folder.path())).artifact(request());
  Disk disk(folder.path(), Disk::Use::read_only);
  std::string history;
  for (const std::string& file : disk.files())
    if (file.starts_with(entry_prefix(request()))) history = disk.open(file)->section(Section::history);
  CHECK(contains(history, "cause=generator"));
}
}  // namespace
}  // namespace pagejit::cache
