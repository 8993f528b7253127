// pagejit-precompile when things go wrong: the exit code, the words, and what is left behind.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/fake_ptxas.h"
#include "tests/support/run_program.h"
#include "tools/files.h"
#include "tools/precompile/progress.h"
#include "tools/precompile/report.h"
#include "tools/temporary_folder.h"

using namespace pagejit;
using Json = nlohmann::json;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Fails for sm_80 only.
const std::string picky = "case \"$*\" in *sm_80*) echo 'ptxas kernel.ptx, line 3; error   : no'; exit 255;; esac\n" +
                          std::string(FakePtxas::good_cubin);

/// A run in a folder of its own.
struct Run {
  TemporaryFolder folder;
  std::string path(const std::string& name) const { return folder.path() + "/" + name; }
  Ran precompile(const std::string& variables, const std::string& options) const {
    return run_program("cd '" + folder.path() + "' && " + variables + " pagejit-precompile --cache c " + options);
  }
};

}  // namespace

TEST_CASE("pagejit-precompile: unknown fields, targets and stages are refused by name, with what is known") {
  struct Row {
    const char *arguments, *says, *offers;
  };
  for (Row row :
       {Row{"--spec 'flatten pag=64' --target sm_90a", "pag", "page"},
        Row{"--spec 'flatten page=none' --target sm_90a", "none", "page"},
        Row{"--spec 'flattn page=64' --target sm_90a", "flattn", "flatten"},
        Row{"--spec flatten --target sm_42", "sm_42", "sm_90a"},
        Row{"--spec flatten --target emulator", "emulator", "sm_90a"}, Row{"--spec flatten", "--target", "sm_90a"},
        Row{"--target sm_90a", "nothing to precompile", "--spec"},
        Row{"--spec flatten --target sm_90a --emit sass", "sass", "ptx"},
        Row{"--spec flatten --target sm_90a --jobs 0", "--jobs", "1"},
        Row{"--model llama-3-8b --quant int3 --target sm_90a", "int3", "int4"},
        Row{"missing.manifest", "missing.manifest", "cannot be read"}}) {
    Ran ran = run_program(std::string("pagejit-precompile ") + row.arguments);
    CAPTURE(row.arguments);
    CAPTURE(ran.err);
    CHECK(ran.code == 2);
    CHECK(has(ran.err, row.says));
    CHECK(has(ran.err, row.offers));
    CHECK(ran.out.empty());
  }
}

TEST_CASE("pagejit-precompile: a mistake in a manifest is named with file, line and column") {
  Run run;
  write_whole_file(run.path("some.manifest"), "pagejit-manifest 1\ntarget sm_90a\nflatten pag=16\n");
  Ran ran = run.precompile("", "some.manifest");
  CHECK(ran.code == 2);
  CHECK(has(ran.err, "some.manifest:3:9: "));
  write_whole_file(run.path("some.manifest"), "pagejit-manifest 1\ntarget sm_42\nflatten\n");
  CHECK(has(run.precompile("", "some.manifest").err, "some.manifest:2:8: "));
}

TEST_CASE("pagejit-precompile: over 10,000 kernels need --yes") {
  Run run;
  std::string manifest = "pagejit-manifest 1\ntarget sm_80,sm_90a\nflatten align=16,8,4 tail=zero,untouched page=1";
  for (int i = 2; i <= 835; ++i) manifest += "," + std::to_string(i);
  write_whole_file(run.path("many"), manifest + "\n");
  Ran ran = run.precompile("", "many --dry-run");
  CHECK(ran.code == 2);
  CHECK(has(ran.err, "10020 kernels"));
  CHECK(has(ran.err, "--yes"));
  CHECK(has(run.precompile("", "many --dry-run --yes").err, "10020 of 10020 kernels are missing"));
}

TEST_CASE("pagejit-precompile: the first failure ends a run with 5; with --keep-going the others are made") {
  FakePtxas ptxas(picky);
  std::string options = "--spec flatten --target sm_80,sm_90a --jobs 1 --report r";
  Run stopped, going;
  Ran ran = stopped.precompile(ptxas.variable(), options);
  CHECK(ran.code == 5);
  CHECK(has(ran.err, "PJ0004"));
  CHECK(has(ran.err, "line 3; error"));
  CHECK(has(ran.err, "0 of 2 kernels"));
  ran = going.precompile(ptxas.variable(), options + " --keep-going");
  CHECK(ran.code == 5);
  CHECK(has(ran.err, "1 of 2 kernels: 1 compiled, 0 from the cache, 1 failed"));
  CHECK(has(ran.out, "sm_90a"));
  CHECK_FALSE(has(ran.out, "sm_80"));
  Json report = Json::parse(read_whole_file(going.path("r")));
  CHECK(report["variants"].size() == 1);
  REQUIRE(report["failed"].size() == 1);
  CHECK(report["failed"][0]["error"] == "PJ0004");
  CHECK(report["failed"][0]["target"] == "sm_80");
}

TEST_CASE("pagejit-precompile: a failure leaves a folder, and --repro makes its kernel again") {
  FakePtxas bad(picky), good(FakePtxas::good_cubin);
  Run run;
  Ran failed = run.precompile(bad.variable(), "--spec flatten --target sm_80 --failures f");
  REQUIRE(failed.code == 5);
  std::string folder;
  for (const auto& entry : std::filesystem::directory_iterator(run.path("f"))) folder = entry.path();
  CHECK(has(failed.err, "pagejit-precompile --repro f/"));
  CHECK(has(read_whole_file(folder + "/kernel.manifest"), "target sm_80\nflatten "));
  CHECK(read_whole_file(folder + "/kernel.key").starts_with("pagejit-key 1\n"));
  CHECK(has(read_whole_file(folder + "/kernel.ir"), "define"));
  CHECK(has(read_whole_file(folder + "/kernel.ptx"), ".entry flatten"));
  CHECK(has(read_whole_file(folder + "/command"), "--target sm_80 --spec 'flatten "));
  CHECK(has(read_whole_file(folder + "/log"), "PJ0004"));

  Ran again = run.precompile(bad.variable(), "--repro '" + folder + "'");
  CHECK(again.code == 5);
  CHECK(has(again.err, "line 3; error"));
  Ran mended = run.precompile(good.variable(), "--repro '" + folder + "'");
  CHECK(mended.code == 0);
  CHECK(has(mended.out, "PTX       the same as then"));
  CHECK(has(mended.out, "does not fail any more"));
  CHECK(run.precompile("", "--repro nowhere").code == 2);
}

TEST_CASE("pagejit-precompile: an assembler that hangs is ended at its deadline, with 7") {
  FakePtxas ptxas("sleep 30\n");
  Run run;
  Ran ran = run.precompile(ptxas.variable() + "PAGEJIT_COMPILE_TIMEOUT_MS=200", "--spec flatten --target sm_90a");
  CHECK(ran.code == 7);
  CHECK(has(ran.err, "PJ0011"));
  CHECK(has(ran.err, "PAGEJIT_COMPILE_TIMEOUT_MS"));
}

TEST_CASE("pagejit-precompile: Ctrl-C ends what is running with 130, and what is done stays") {
  FakePtxas ptxas("case \"$*\" in *sm_90a*) echo > \"$here/reached\"; sleep 30;; esac\n" +
                  std::string(FakePtxas::good_cubin));
  Run run;
  std::string reached = std::filesystem::path(ptxas.file()).parent_path() / "reached";
  Ran ran = run_program("cd '" + run.folder.path() + "' && " + ptxas.variable() +
                        "pagejit-precompile --cache c --spec flatten --target sm_80,sm_90a --jobs 1 & pid=$!; "
                        "for i in $(seq 200); do [ -e '" +
                        reached + "' ] && break; sleep 0.05; done; kill -INT $pid; wait $pid");
  CHECK(ran.code == 130);
  CHECK(has(ran.err, "interrupted"));
  CHECK(has(ran.err, "1 of 2 kernels"));
  CHECK(run.precompile("", "--check --spec flatten --target sm_80").code == 0);
  CHECK(run.precompile("", "--check --spec flatten --target sm_90a").code == 3);
}

TEST_CASE("pagejit-precompile: a ptxas that was asked for and is absent is exit code 8") {
  Run run;
  Ran ran = run.precompile("PAGEJIT_PTXAS=/nowhere/ptxas", "--spec flatten --target sm_90a");
  CHECK(ran.code == 8);
  CHECK(has(ran.err, "PJ0012"));
  CHECK(has(ran.err, "/nowhere/ptxas"));
}

TEST_CASE("precompile: progress counts, and foretells from what was compiled, not from what was cached") {
  precompile::Count count{.done = 37, .total = 240, .compiling = 2, .cached = 27, .seconds = 0.4};
  CHECK(count.text() == "[37/240] 2 compiling, 27 cached, ETA 9 s");
  CHECK(precompile::Count{.done = 27, .total = 240, .cached = 27}.text() == "[27/240] 0 compiling, 27 cached");
  CHECK(precompile::Count{.done = 2, .total = 2, .seconds = 1}.text() == "[2/2] 0 compiling, 0 cached");
}

TEST_CASE("precompile: the summary names the five slowest, the slowest first, and no cached one") {
  precompile::Made made;
  for (int i = 0; i < 8; ++i) {
    precompile::Variant v;
    v.request = make_request("flatten page=" + std::to_string(i + 1), "sm_90a", "abi", "generator");
    v.state = precompile::Variant::State::done;
    v.from_cache = i == 7;
    v.ms = i * 10;
    made.variants.push_back(v);
  }
  std::string text = precompile::summary(made);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 5 + 1);
  CHECK(has(text, "slowest:\n      60 ms  sm_90a    flatten page=7\n      50 ms"));
  CHECK_FALSE(has(text, "page=8"));
  CHECK_FALSE(has(precompile::as_text(made), "ms"));
}

TEST_CASE("precompile: of several failures damage comes before a compile's, and that before a miss") {
  precompile::Made made;
  CHECK(precompile::exit_code_of(made) == 0);
  for (auto [code, worst] : {std::pair(Code::miss, 3), {Code::compile, 5}, {Code::deadline, 5}, {Code::damaged, 4}}) {
    precompile::Variant v;
    v.failure = Error(code, "no");
    made.variants.push_back(v);
    CHECK(precompile::exit_code_of(made) == worst);
  }
  made.interrupted = true;
  CHECK(precompile::exit_code_of(made) == 130);
}
