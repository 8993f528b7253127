#include "runtime/engine.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/runtime/support.h"

namespace pagejit {
namespace {
using namespace testing;

/// Makes "cubins" that name their driver, and counts.
class CountingAssembler : public Assembler {
 public:
  explicit CountingAssembler(int driver = 13000, std::string chip = "9.0") : driver_(driver), chip_(std::move(chip)) {}
  std::string producer() const override { return "assembler=driver " + std::to_string(driver_) + "\ncubin=" + chip_; }
  std::string chip() const override { return chip_; }
  int driver() const override { return driver_; }
  void assemble(Artifact& a) override {
    REQUIRE_FALSE(a.ptx.empty());
    ++assemblies;
    a.cubin = "cubin by " + std::to_string(driver_);
  }
  int assemblies = 0;

 private:
  int driver_;
  std::string chip_;
};

struct Setup {
  TempFolder folder;
  std::shared_ptr<CountingCompiler> compiler = std::make_shared<CountingCompiler>();
  Engine engine(Mode mode = Mode::automatic) { return Engine(compiler, options_for(folder.path(), mode)); }
};

TEST_CASE("sixteen threads that ask for four keys at once compile four kernels") {
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->change = [](Artifact&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  Engine engine(compiler, options_for(""));
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 100; ++round) engine.artifact(sample_request(1 + (i + round) % 4));
    });
  for (std::thread& t : threads) t.join();
  CHECK(compiler->compiles == 4);
  CHECK(engine.statistics().compiles == 4);
}

TEST_CASE("a second process finds the kernel on disk and compiles nothing") {
  Setup s;
  bool from_disk = true;
  Artifact first = s.engine().artifact(sample_request(), &from_disk);
  CHECK_FALSE(from_disk);
  Engine later = s.engine();
  Artifact second = later.artifact(sample_request(), &from_disk);
  CHECK(from_disk);
  CHECK(second.ptx == first.ptx);
  CHECK(second.ir == first.ir);
  CHECK(s.compiler->compiles == 1);
  CHECK(later.statistics().disk_hits == 1);
}

TEST_CASE("stored PTX is assembled once, and then the cubin is what is found") {
  Setup s;
  s.engine().artifact(sample_request());  // PTX only, as a precompile tool leaves it
  CountingAssembler assembler;
  CHECK(s.engine().image(sample_request(), assembler).artifact.cubin == "cubin by 13000");
  Engine third = s.engine();
  CHECK(third.image(sample_request(), assembler).hit.has_value());
  CHECK(assembler.assemblies == 1);
  CHECK(s.compiler->compiles == 1);
}

TEST_CASE("another driver's cubin is assembled again from its PTX, and both stay") {
  Setup s;
  CountingAssembler old_driver(12080), new_driver(13000);
  s.engine().image(sample_request(), old_driver);
  CHECK(s.engine().image(sample_request(), new_driver).artifact.cubin == "cubin by 13000");
  CHECK(s.compiler->compiles == 1);
  CHECK(s.engine().image(sample_request(), old_driver).hit.has_value());
  CHECK(s.engine().image(sample_request(), new_driver).hit.has_value());
  CHECK(old_driver.assemblies + new_driver.assemblies == 2);
  CHECK(files_under(s.folder.path() + "/v1/objects").size() == 2);
}

TEST_CASE("another chip's cubin is never taken") {
  Setup s;
  CountingAssembler hopper(13000, "9.0"), ampere(13000, "8.6");
  s.engine().image(sample_request(), hopper);
  CHECK_FALSE(s.engine().image(sample_request(), ampere).hit.has_value());
  CHECK_FALSE(s.engine(Mode::require).image(sample_request(), ampere).artifact.facts.chip == "9.0");
}

TEST_CASE("another compiler's entry is compiled anew, and serves where nothing may be compiled") {
  Setup s;
  s.engine().artifact(sample_request());
  s.compiler->producer_text = "llvm=23.0.0\n";
  s.engine(Mode::require).artifact(sample_request());
  CHECK(s.compiler->compiles == 1);
  s.engine().artifact(sample_request());
  CHECK(s.compiler->compiles == 2);
}

TEST_CASE("a miss where compiling is not allowed names the spec, the nearest cached one and the command to type") {
  Setup s;
  s.engine().artifact(sample_request(64));
  s.engine().artifact(make_request("other page=61", "sm_90a", "abi", "gen"));
  Engine engine = s.engine(Mode::require);
  Error e = thrown([&] { engine.artifact(sample_request(61)); });
  CHECK(
      std::string(e.what()) ==
      "pagejit: error PJ0003: this kernel is not in the cache, and compiling is not allowed here\n"
      "  spec     flatten align=16 head_dim=128 kv=bf16 page=61 tail=zero\n"
      "  nearest  flatten align=16 head_dim=128 kv=bf16 page=64 tail=zero   (page differs)\n"
      "  to add   pagejit-precompile --target sm_90a --spec 'flatten align=16 head_dim=128 kv=bf16 page=61 tail=zero'");
  CHECK(s.compiler->compiles == 2);
}

TEST_CASE("a build without a compiler says so at a miss, and serves what is cached") {
  Setup s;
  s.engine().artifact(sample_request());
  Engine engine(nullptr, options_for(s.folder.path()));
  CHECK(engine.artifact(sample_request()).facts.symbol == "flatten");
  Error e = thrown([&] { engine.artifact(sample_request(61)); });
  CHECK(e.code() == Code::miss);
  CHECK(contains(e.message(), "this build has no compiler"));
}

TEST_CASE("rebuild compiles what is cached already, and replaces it") {
  Setup s;
  s.engine().artifact(sample_request());
  s.compiler->change = [](Artifact& a) { a.log = "second"; };
  s.engine(Mode::rebuild).artifact(sample_request());
  CHECK(s.compiler->compiles == 2);
  CHECK(s.engine().artifact(sample_request()).log == "second");
}

TEST_CASE("a compile that failed is tried again by whoever asks next, and names its spec") {
  Setup s;
  int attempts = 0;
  s.compiler->change = [&](Artifact&) {
    if (++attempts == 1) fail(Code::compile, "the first time fails");
  };
  Engine engine = s.engine();
  Error e = thrown([&] { engine.artifact(sample_request()); });
  CHECK(e.code() == Code::compile);
  CHECK(contains(e.what(), sample_request().spec_line));
  CHECK(engine.artifact(sample_request()).facts.symbol == "flatten");
}

TEST_CASE("an unsafe cache folder costs one warning, and kernels live in memory") {
  TempFolder folder;
  chmod(folder.path().c_str(), 0777);
  LogCapture log;
  auto compiler = std::make_shared<CountingCompiler>();
  Engine engine(compiler, options_for(folder.path())), again(compiler, options_for(folder.path()));
  engine.artifact(sample_request());
  engine.artifact(sample_request());
  CHECK(compiler->compiles == 1);
  CHECK(log.lines.size() == 1);
  CHECK(contains(log.lines.at(0), "PJ0009"));
}

TEST_CASE("a read-only folder is asked after the private one") {
  Setup shared;
  shared.engine().artifact(sample_request());
  TempFolder folder;
  EngineOptions options = options_for(folder.path());
  options.cache_ro = shared.folder.path();
  Engine engine(shared.compiler, options);
  bool from_disk = false;
  engine.artifact(sample_request(), &from_disk);
  CHECK(from_disk);
}

TEST_CASE("dumps are headed by the command that makes them again") {
  Setup s;
  TempFolder dumps;
  EngineOptions options = options_for("");
  options.dump = "ir,ptx";
  options.dump_dir = dumps.path();
  Engine engine(s.compiler, options);
  engine.artifact(sample_request());
  std::vector<std::string> files = files_under(dumps.path());
  REQUIRE(files.size() == 2);
  CHECK(read_file(dumps.path() + "/" + files[1]).starts_with("// pagejit-precompile --target sm_90a --spec 'flatten "));
}

TEST_CASE("a look-up in memory takes at most 300 ns") {
  Engine engine(std::make_shared<CountingCompiler>(), options_for(""));
  std::vector<Request> requests;
  for (int i = 0; i < 500; ++i) requests.push_back(sample_request(1 + i));
  for (const Request& r : requests) engine.artifact(r);
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (const Request& r : requests) engine.artifact(r);
    best = std::min(best,
                    std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / 500);
  }
  MESSAGE("look-up in memory: " << best << " ns");
#ifdef __SANITIZE_ADDRESS__
  best /= 10;  // the sanitizer's time is not ours
#endif
  CHECK(best <= 300);
}
}  // namespace
}  // namespace pagejit
