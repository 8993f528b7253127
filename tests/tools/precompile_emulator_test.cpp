// pagejit-precompile, where there is a compiler.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/support/run_program.h"
#include "tools/temporary_folder.h"

using namespace pagejit;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("pagejit-precompile: what the first run compiles the second finds in the cache") {
  TemporaryFolder cache;
  std::string command =
      "pagejit-precompile --model llama-3-8b --target sm_80,sm_90a --json --cache '" + cache.path() + "'";
  auto first = nlohmann::json::parse(run_program(command).out),
       second = nlohmann::json::parse(run_program(command).out);
  REQUIRE(first["variants"].size() > 8);
  REQUIRE(first["variants"].size() == second["variants"].size());
  for (std::size_t i = 0; i < first["variants"].size(); ++i) {
    CHECK(first["variants"][i]["from_cache"] == false);
    CHECK(second["variants"][i]["from_cache"] == true);
    CHECK(first["variants"][i]["key"] == second["variants"][i]["key"]);
  }
  CHECK(run_program("pagejit-cache verify --cache '" + cache.path() + "'").code == 0);
}

TEST_CASE("pagejit-precompile: a model is served without a single compilation from the cache it filled") {
  TemporaryFolder cache;
  std::string option = " --cache '" + cache.path() + "'";
  REQUIRE(run_program("pagejit-precompile --model mistral-7b --page 64 --target sm_90a" + option).code == 0);
  auto again = nlohmann::json::parse(
      run_program("pagejit-precompile --model llama-3-70b --page 64 --target sm_90a --json" + option).out);
  for (const auto& v : again["variants"]) CHECK(v["from_cache"] == true);  // the number of heads is no part of a Spec
}

TEST_CASE("pagejit-precompile --emit: PTX and IR, named by key, headed by the command that makes them again") {
  TemporaryFolder folder;
  Ran ran = run_program("pagejit-precompile --spec 'flatten page=61' --target sm_90a --emit ptx,ir --json --out '" +
                        folder.path() + "'");
  REQUIRE(ran.code == 0);
  std::string key = nlohmann::json::parse(ran.out)["variants"][0]["key"];
  std::string ptx = read_file(folder.path() + "/" + key + ".ptx"), ir = read_file(folder.path() + "/" + key + ".ir");
  CHECK(ptx.starts_with("// pagejit-precompile --target sm_90a --spec 'flatten "));
  CHECK(has(ptx, ".entry flatten"));
  CHECK(ir.starts_with("; pagejit-precompile"));
  CHECK(has(ir, "define"));
}

TEST_CASE("pagejit-precompile: the same command gives the same bytes") {
  TemporaryFolder one, two;
  for (const auto& folder : {&one, &two})
    REQUIRE(run_program("pagejit-precompile --spec flatten --target sm_90a,sm_100a --emit ptx,ir --out '" +
                        folder->path() + "'")
                .code == 0);
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(one.path())) {
    CHECK(read_file(file.path()) == read_file(two.path() + "/" + file.path().filename().string()));
    ++files;
  }
  CHECK(files == 4);
}

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
        Row{"--spec flatten --target sm_90a --emit sass", "sass", "ptx"}}) {
    Ran ran = run_program(std::string("pagejit-precompile ") + row.arguments);
    CAPTURE(row.arguments);
    CAPTURE(ran.err);
    CHECK(ran.code == 2);
    CHECK(has(ran.err, row.says));
    CHECK(has(ran.err, row.offers));
    CHECK(ran.out.empty());
  }
}
