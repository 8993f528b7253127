// A host that has a driver and a bundle and nothing else: the demo's whole run launches, and nothing is compiled. The
// driver is the fake one and the bundle's machine code stands in for real code: what is shown is how kernels are found,
// loaded, launched and counted. tools/check_bundle.sh does the same with real kernels, on a GPU with results too.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/registry.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/producer.h"
#include "tests/support/run_program.h"
#include "tools/files.h"
#include "tools/model_config.h"
#include "tools/temporary_folder.h"

namespace pagejit {
namespace {
using Json = nlohmann::json;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// As pagejit-precompile would leave it for this chip, but for the code.
Artifact stand_in(const Request& request) {
  Artifact a;
  a.key_text = request.key_text;
  a.producer = cache::full_producer("llvm=1.2.3\n", "assembler=ptxas 13.0.48\ncubin=9.0");
  a.facts.symbol = "flatten";
  a.facts.target = request.target;
  a.facts.block = 256;
  a.facts.chip = "9.0";
  a.facts.driver = 13000;
  a.ptx = ".version 7.8\n.visible .entry flatten(\n";
  a.cubin = "FAKECUBIN 9.0 flatten";
  return a;
}

/// Every flatten kernel that serving the built-in models can ask for, as far as `wanted` lets it in.
std::set<std::string> spec_lines(const std::function<bool(const std::string&)>& wanted) {
  std::set<std::string> lines;
  for (const std::string& model : model_names())
    for (const std::string& line : family_of("flatten").specs_for_model(load_model(model).shape({16, 64})))
      if (wanted(line)) lines.insert(line);
  return lines;
}

/// A host of its own: its folders, a libcuda.so.1 where the linker looks, and a bundle.
class Host {
 public:
  explicit Host(const std::set<std::string>& lines) {
    std::filesystem::create_directories(folder_.path() + "/lib");
    std::filesystem::create_symlink(PAGEJIT_FAKE_CUDA, folder_.path() + "/lib/libcuda.so.1");
    TemporaryFolder filled;
    cache::Disk disk(filled.path(), cache::Disk::Use::read_write);
    for (const std::string& line : lines) {
      Request request = request_for(line, "sm_90a");
      disk.put(request, stand_in(request), "", false);
    }
    Ran packed = run_program("pagejit-cache export '" + bundle() + "' --cache '" + filled.path() + "'");
    REQUIRE_MESSAGE(packed.code == 0, packed.err);
  }
  std::string bundle() const { return folder_.path() + "/kernels.pjpack"; }
  std::string home() const { return folder_.path() + "/home"; }

  Ran demo(const std::string& options) const {
    return run_program("HOME='" + home() + "' XDG_CACHE_HOME= LD_LIBRARY_PATH='" + folder_.path() +
                       "/lib' PAGEJIT_CACHE=off PAGEJIT_CACHE_RO='" + bundle() +
                       "' PAGEJIT_MODE=require pagejit-demo --device cuda --launch-only " + options);
  }

 private:
  TemporaryFolder folder_;
};

std::string of_class(const std::string& line, const std::string& align) {
  return has(line, " align=" + align + " ") ? line : "";
}

}  // namespace

TEST_CASE("deployment: a bundle serves the demo's whole run in require mode, and nothing is compiled or assembled") {
  Host host(spec_lines([](const std::string&) { return true; }));
  Ran ran = host.demo("--json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  Json report = Json::parse(ran.out);
  CHECK(report["device"] == "fake device 0");
  CHECK(report["target"] == "sm_90a");
  int launches = report["launches"];
  CHECK((launches > 250 && launches <= 300));  // a step whose batch is empty launches nothing
  CHECK(report["kernels_compiled"] == 0);
  CHECK(report["kernels_assembled"] == 0);
  CHECK(report["align_fallbacks"] == 0);
  CHECK(report["kernels_from_cache"] == report["kernels"].size());
  CHECK(report["verified"] == 0);
  CHECK_FALSE(std::filesystem::exists(host.home()));  // nothing is written
  CHECK(ran.err == "");                               // nor is anything to be warned about
}

TEST_CASE("deployment: a bundle of the weakest kernels serves the same run, and says how often it stood in") {
  Host host(spec_lines([](const std::string& line) { return !of_class(line, "elem").empty(); }));
  Ran ran = host.demo("--json --steps 36");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  Json report = Json::parse(ran.out);
  CHECK(report["kernels_compiled"] == 0);
  CHECK(report["align_fallbacks"] == report["kernels"].size());
  CHECK(report["recompilations_after_warmup"] == 0);
}

TEST_CASE("deployment: a kernel that the bundle lacks is PJ0003, with the command that makes it") {
  Host host(spec_lines([](const std::string& line) { return !has(line, " page=16 "); }));
  Ran ran = host.demo("");
  CHECK(ran.code == 3);
  CHECK(has(ran.err, "PJ0003"));
  CHECK(has(ran.err, "pagejit-precompile --target sm_90a --spec 'flatten align=16 "));
}

}  // namespace pagejit
