// What an engine does when it is told to be strict, and what it tells of itself.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "runtime/cache/producer.h"
#include "tests/runtime/support.h"

namespace pagejit {
namespace {
using namespace testing;

struct Setup {
  TempFolder folder;
  std::shared_ptr<CountingCompiler> compiler = std::make_shared<CountingCompiler>();
  EngineOptions options = options_for(folder.path());
};

TEST_CASE("a compile after seal() is a warning that names cause and nearest spec, once a kernel") {
  Setup s;
  Engine engine(s.compiler, s.options);
  engine.artifact(sample_request(64));
  engine.seal();
  LogCapture log;
  engine.artifact(sample_request(64));
  CHECK(log.lines.empty());
  engine.artifact(sample_request(61));
  REQUIRE(log.lines.size() == 1);
  for (const char* part : {"PJ0006", "page=61", "page=64", "new-spec", "(page differs)", "pagejit-precompile"})
    CHECK(contains(log.lines[0], part));
}

TEST_CASE("with seal=error a compile after seal() fails, and hits and stored PTX do not") {
  Setup s;
  s.options.seal_is_error = true;
  Engine(s.compiler, s.options).artifact(sample_request(64));
  Engine engine(s.compiler, s.options);
  engine.seal();
  engine.artifact(sample_request(64));
  Error e = thrown([&] { engine.artifact(sample_request(61)); });
  CHECK(e.code() == Code::sealed);
  CHECK(contains(e.what(), "(page differs)"));
  CHECK(s.compiler->compiles == 1);
}

TEST_CASE("a compile that takes too long is reported while it goes on") {
  Setup s;
  s.options.compile_timeout = std::chrono::milliseconds(20);
  bool told_in_time = false;
  LogCapture log;
  s.compiler->change = [&](Artifact&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    told_in_time = !log.lines.empty();
  };
  Engine(s.compiler, s.options).artifact(sample_request());
  CHECK(told_in_time);
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0011"));
  CHECK(contains(log.lines[0], "20 ms (PAGEJIT_COMPILE_TIMEOUT_MS)"));
}

TEST_CASE("a record file is a manifest: a heading, then each target and spec line once, from all processes") {
  Setup s;
  std::string path = s.folder.path() + "/record";
  s.options.record = path;
  for (int process = 0; process < 2; ++process) {
    Engine engine(s.compiler, s.options);
    for (int page : {64, 61, 64}) engine.artifact(sample_request(page));
  }
  CHECK(read_file(path) == fmt::format("pagejit-manifest 1\ntarget sm_90a\n{}\n{}\n", sample_request(64).spec_line,
                                       sample_request(61).spec_line));
}

TEST_CASE("a record file that cannot be written costs one warning and no kernel") {
  Setup s;
  s.options.record = s.folder.path() + "/none/record";
  LogCapture log;
  Engine engine(s.compiler, s.options);
  engine.artifact(sample_request(64));
  engine.artifact(sample_request(61));
  CHECK(log.lines.size() == 1);
}

TEST_CASE("an audit compiles one hit in N again, and makes anew what is not the same") {
  Setup s;
  s.compiler->change = [](Artifact& a) { a.facts.ir_hash = "1111"; };
  for (int page = 1; page <= 10; ++page) Engine(s.compiler, s.options).artifact(sample_request(page));
  s.options.audit = 5;
  LogCapture log;
  {
    Engine engine(s.compiler, s.options);
    for (int page = 1; page <= 10; ++page) engine.artifact(sample_request(page));
    CHECK(engine.counters()["audits"] == 2);
    CHECK(s.compiler->compiles == 12);
    CHECK(log.lines.empty());
  }
  s.compiler->change = [](Artifact& a) { a.facts.ir_hash = "2222"; };
  s.options.audit = 1;
  bool from_disk = true;
  Engine engine(s.compiler, s.options);
  CHECK(engine.artifact(sample_request(1), &from_disk).facts.ir_hash == "2222");
  CHECK_FALSE(from_disk);
  CHECK(engine.counters()["audit_failures"] == 1);
  REQUIRE_FALSE(log.lines.empty());
  CHECK(contains(log.lines[0], "the IR differs"));
}

TEST_CASE("IR and log are kept unless told otherwise") {
  for (bool keep : {true, false}) {
    Setup s;
    s.compiler->change = [](Artifact& a) { a.log = "a log"; };
    s.options.keep_ir = s.options.keep_log = keep;
    Engine(s.compiler, s.options).artifact(sample_request());
    Engine later(s.compiler, s.options);
    const Artifact& found = later.artifact(sample_request());
    CHECK(found.ir.empty() == !keep);
    CHECK(found.log.empty() == !keep);
    CHECK_FALSE(found.ptx.empty());
  }
}

TEST_CASE("whose bytes are taken: the same compiler's, with `any` anybody's, with `exact` nobody else's") {
  auto compiles = [](Producers policy, bool read_only) {
    Setup s;
    s.compiler->producer_text = "llvm=21\n";
    Engine(s.compiler, s.options).artifact(sample_request());
    s.compiler->producer_text = "llvm=22\n";
    if (read_only) {
      s.options.cache_ro = s.options.cache_dir;
      s.options.cache_dir.clear();
    }
    s.options.producers = policy;
    Engine(s.compiler, s.options).artifact(sample_request());
    return s.compiler->compiles - 1;
  };
  CHECK(compiles(Producers::automatic, false) == 1);
  CHECK(compiles(Producers::any, false) == 0);
  CHECK(compiles(Producers::exact, false) == 1);
  CHECK(compiles(Producers::automatic, true) == 0);
  CHECK(compiles(Producers::exact, true) == 1);
}

TEST_CASE("an assembler that is known to be bad is refused, even where anybody's bytes will do") {
  Setup s;
  Artifact a = sample_artifact();
  a.producer = cache::full_producer("llvm=22.1.8\n", "assembler=driver 0\ncubin=9.0");
  cache::Disk(s.folder.path(), cache::Disk::Use::read_write).put(sample_request(), a, "", false);
  s.options.producers = Producers::any;
  Engine(s.compiler, s.options).artifact(sample_request());
  CHECK(s.compiler->compiles == 1);
}

TEST_CASE("a host program is told of each event, with its spec") {
  Setup s;
  std::vector<std::string> told;
  s.options.on_event = [&](const Event& e) {
    CHECK((e.spec_line.empty() || e.spec_line == sample_request().spec_line));
    told.push_back(fmt::format("{} {}{}", static_cast<int>(e.kind), e.layer, e.cause));
  };
  auto name = [](Event::Kind kind, const char* rest) { return fmt::format("{} {}", static_cast<int>(kind), rest); };
  Engine(s.compiler, s.options).artifact(sample_request());
  Engine(s.compiler, s.options).artifact(sample_request());
  using Kind = Event::Kind;
  CHECK(told == std::vector<std::string>{name(Kind::miss, "new-spec"), name(Kind::compile, "new-spec"),
                                         name(Kind::store, "private"), name(Kind::hit, "private")});
}
}  // namespace
}  // namespace pagejit
