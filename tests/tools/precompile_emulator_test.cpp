// pagejit-precompile, where there is a compiler: what it makes, and that it makes the same again. ptxas is played by a
// script, but for the last test.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/fake_ptxas.h"
#include "tests/support/run_program.h"
#include "tests/support/skip.h"
#include "tools/files.h"
#include "tools/model_config.h"
#include "tools/precompile/plan.h"
#include "tools/ptxas.h"
#include "tools/temporary_folder.h"

using namespace pagejit;
using Json = nlohmann::json;

namespace {

const std::string ptx_only = "PAGEJIT_ASSEMBLER=driver ";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder)) names.insert(file.path().filename());
  return names;
}

}  // namespace

TEST_CASE("pagejit-precompile: what the first run compiles the second finds in the cache") {
  TemporaryFolder cache;
  std::string command = ptx_only + "pagejit-precompile --model llama-3-8b --page 64 --target sm_90a --json --cache '" +
                        cache.path() + "'";
  Json first = Json::parse(run_program(command).out), second = Json::parse(run_program(command).out);
  REQUIRE(first["variants"].size() > 8);
  REQUIRE(first["variants"].size() == second["variants"].size());
  for (std::size_t i = 0; i < first["variants"].size(); ++i) {
    CHECK(first["variants"][i]["from_cache"] == false);
    CHECK(second["variants"][i]["from_cache"] == true);
    CHECK(first["variants"][i]["key"] == second["variants"][i]["key"]);
  }
  CHECK(run_program("pagejit-cache verify --cache '" + cache.path() + "'").code == 0);
}

TEST_CASE("pagejit-precompile: every shipped model can be asked for with any page size and quantisation") {
  for (const std::string& model : model_names())
    for (const char* quant : {"none", "fp8", "fp8_group", "int8", "int4", "turbo4"}) {
      precompile::Wish wish;
      wish.models = {model};
      wish.targets = {"sm_90a"};
      wish.pages = {1, 16, 61};
      wish.quants = {quant};
      CAPTURE(model);
      CAPTURE(quant);
      std::vector<Request> requests = precompile::requests_of(wish);
      CHECK_FALSE(requests.empty());
      for (std::size_t i = 1; i < requests.size(); ++i) CHECK(requests[i - 1].spec_line < requests[i].spec_line);
    }
}

TEST_CASE("pagejit-precompile: manifest, --spec and several targets, each kernel once") {
  TemporaryFolder folder;
  write_whole_file(folder.path() + "/m", "pagejit-manifest 1\ntarget sm_80,sm_90a\nflatten page=16,64\n");
  auto made = [&](const std::string& options) {
    Ran ran = run_program(ptx_only + "pagejit-precompile '" + folder.path() + "/m' --json --emit ptx --out '" +
                          folder.path() + "' " + options);
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    return Json::parse(ran.out)["variants"].size();
  };
  CHECK(made("") == 4);
  CHECK(made("--target sm_100a") == 2);
  CHECK(made("--target sm_80,sm_90a --spec 'flatten page=16' --spec 'flatten page=32'") == 6);
}

TEST_CASE("pagejit-precompile: files are named by key, and text is headed by the command that makes it again") {
  TemporaryFolder folder;
  Ran ran = run_program("pagejit-precompile --spec 'flatten page=61' --target sm_90a --emit ptx,ir --json --out '" +
                        folder.path() + "'");
  REQUIRE(ran.code == 0);
  std::string key = Json::parse(ran.out)["variants"][0]["key"];
  std::string ptx = read_whole_file(folder.path() + "/" + key + ".ptx"),
              ir = read_whole_file(folder.path() + "/" + key + ".ir");
  CHECK(ptx.starts_with("// pagejit-precompile --target sm_90a --spec 'flatten "));
  CHECK(has(ptx, ".entry flatten"));
  CHECK(ir.starts_with("; pagejit-precompile"));
  CHECK(has(ir, "define"));
}

TEST_CASE("pagejit-precompile: two folders, one job or two, cached or not: the same bytes and the same words") {
  FakePtxas ptxas(FakePtxas::good_cubin);
  TemporaryFolder one, two, cache;
  std::string command = ptxas.variable() +
                        "pagejit-precompile --spec flatten --spec 'flatten page=16' --target sm_90a,sm_100a --emit "
                        "ptx,ir,cubin,header,object --out . --cache '" +
                        cache.path() + "' ";
  Ran a = run_program("cd '" + one.path() + "' && " + command + "--jobs 1"),
      b = run_program("cd '" + two.path() + "' && " + command + "--jobs 2");
  REQUIRE_MESSAGE(a.code == 0, a.err);
  REQUIRE_MESSAGE(b.code == 0, b.err);
  CHECK(has(a.err, "4 compiled"));
  CHECK(has(b.err, "4 from the cache"));
  CHECK(a.out == b.out);
  CHECK(files_in(one.path()).size() == 4 * 5);
  CHECK(files_in(one.path()) == files_in(two.path()));
  for (const std::string& name : files_in(one.path()))
    CHECK_MESSAGE(read_whole_file(one.path() + "/" + name) == read_whole_file(two.path() + "/" + name), name);
}

TEST_CASE("pagejit-precompile --bundle: equal input gives equal bytes, from a cold run and from a cache") {
  FakePtxas ptxas(FakePtxas::good_cubin);
  TemporaryFolder one, two;
  write_whole_file(one.path() + "/m", "pagejit-manifest 1\ntarget sm_90a,sm_80\nflatten page=16,64\nindices\n");
  auto bundle = [&](const TemporaryFolder& folder, const std::string& options) {
    Ran ran = run_program("cd '" + folder.path() + "' && " + ptxas.variable() + "pagejit-precompile '" + one.path() +
                          "/m' --bundle b.pjpack " + options);
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    return read_whole_file(folder.path() + "/b.pjpack");
  };
  std::string cold = bundle(one, "--jobs 2");
  CHECK(cold.size() > 6 * 1000);
  CHECK(cold == bundle(two, "--jobs 1 --cache c"));
  CHECK(cold == bundle(two, "--cache c"));
  Ran check = run_program("PAGEJIT_CACHE_RO='" + one.path() + "/b.pjpack' pagejit-precompile --check '" + one.path() +
                          "/m' --cache '" + one.path() + "/none'");
  CHECK_MESSAGE(check.code == 0, check.out);
}

TEST_CASE("pagejit-precompile --report: a line of facts for each kernel") {
  FakePtxas ptxas(FakePtxas::good_cubin);
  TemporaryFolder folder;
  std::string command = ptxas.variable() + "pagejit-precompile --spec flatten --target sm_90a --cache '" +
                        folder.path() + "/c' --report '" + folder.path() + "/r'";
  for (bool cached : {false, true}) {
    REQUIRE(run_program(command).code == 0);
    Json report = Json::parse(read_whole_file(folder.path() + "/r"));
    REQUIRE(report["variants"].size() == 1);
    Json v = report["variants"][0];
    CHECK(v["spec"].get<std::string>().starts_with("flatten "));
    CHECK(v["target"] == "sm_90a");
    CHECK(v["cubin_sha256"].get<std::string>().size() == 64);
    CHECK(v["bytes"].get<int>() > 500);
    CHECK(v["registers"] == 40);
    CHECK(v["static_shared"] == 512);
    CHECK(v["ms"].get<double>() > 0);
    CHECK(v["from_cache"] == cached);
    for (const char* id : {"key", "spec_id", "producer_id"}) CHECK(v[id].get<std::string>().size() == 16);
    CHECK(report["failed"].empty());
  }
}

TEST_CASE("pagejit-precompile: without an assembler it stores PTX only, and says so") {
  TemporaryFolder cache;
  Ran ran = run_program(ptx_only + "pagejit-precompile --spec flatten --target sm_90a --cache '" + cache.path() + "'");
  CHECK(ran.code == 0);
  CHECK(has(ran.err, "PTX only"));
  Ran cubin = run_program(ptx_only + "pagejit-precompile --spec flatten --target sm_90a --emit cubin");
  CHECK(cubin.code == 8);
  CHECK(has(cubin.err, "PJ0012"));
}

TEST_CASE(
    "pagejit-precompile --check: 3 names each gap, 0 when all are there; neither it nor --dry-run makes anything") {
  TemporaryFolder folder;
  std::string option = " --target sm_80,sm_90a --cache '" + folder.path() + "/c'",
              two = " --spec flatten --spec indices";
  Ran none = run_program("pagejit-precompile --check" + two + option);
  CHECK(none.code == 3);
  CHECK(has(none.out, "missing   sm_80     flatten "));
  CHECK(has(none.out, "missing   sm_90a    indices "));
  CHECK(has(none.err, "4 of 4 kernels are missing"));
  Ran dry = run_program("pagejit-precompile --dry-run" + two + option);
  CHECK(dry.code == 0);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/c"));
  REQUIRE(run_program(ptx_only + "pagejit-precompile --spec flatten" + option).code == 0);
  Ran some = run_program("pagejit-precompile --check" + two + option);
  CHECK(some.code == 3);
  CHECK_FALSE(has(some.out, "flatten"));
  CHECK(run_program("pagejit-precompile --check --spec flatten" + option).code == 0);
  CHECK(has(run_program("pagejit-precompile --dry-run" + two + option).out, "PTX only  sm_80     flatten "));
}

TEST_CASE("pagejit-precompile: machine code by the ptxas that is there, of every target, from two folders the same") {
  if (!find_ptxas(Settings::process())) return skip_test("no ptxas");
  TemporaryFolder folder;
  auto hashes = [&](const std::string& name) {
    std::string report = folder.path() + "/" + name;
    Ran ran = run_program("pagejit-precompile --spec flatten --target sm_80,sm_90a,sm_120a --cache '" + folder.path() +
                          "/c" + name + "' --report '" + report + "'");
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    std::string all;
    for (const Json& v : Json::parse(read_whole_file(report))["variants"]) {
      all += v["cubin_sha256"].get<std::string>() + "\n";
      CHECK(v["registers"].get<int>() > 8);
      CHECK(v["spills"] == 0);
    }
    return all;
  };
  CHECK(hashes("one") == hashes("two"));
}

TEST_CASE("pagejit-precompile --emit fatbin: one file a spec line, all targets in it") {
  if (run_program("PATH=\"$PATH:/usr/local/cuda/bin\" command -v fatbinary").code != 0)
    return skip_test("no fatbinary");
  TemporaryFolder folder;
  std::string out = " --emit fatbin --out '" + folder.path() + "'";
  Ran ran = run_program(ptx_only + "pagejit-precompile --spec flatten --spec indices --target sm_80,sm_90a" + out);
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(files_in(folder.path()).size() == 2);
  for (const std::string& name : files_in(folder.path())) {
    CHECK(name.ends_with(".fatbin"));
    CHECK(read_whole_file(folder.path() + "/" + name).starts_with("\x50\xed\x55\xba"));
  }
}
