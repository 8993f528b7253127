// What users type wrongly: a clear paragraph on stderr, nothing on stdout, an exit code that is not 0.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tests/support/run_program.h"
#include "tools/temporary_folder.h"

using namespace pagejit;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Wrong {
  const char* command;
  int code;
  const char* says;
};

}  // namespace

TEST_CASE("bad input: every program refuses it with its reason") {
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/broken.json") << "{\"num_hidden_layers\": 3,\n";
  std::ofstream(folder.path() + "/empty.json") << "{}";
  std::ofstream(folder.path() + "/huge.json")
      << R"({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 9152})";
  std::string cd = "cd '" + folder.path() + "' && ";
  for (Wrong w :
       {Wrong{"pagejit-demo --model llama-9", 2, "llama-9"}, Wrong{"pagejit-demo --model broken.json", 2, "not JSON"},
        Wrong{"pagejit-demo --model empty.json", 2, "num_hidden_layers"},
        Wrong{"pagejit-demo --model missing.json", 2, "missing.json"}, Wrong{"pagejit-demo --steps 0", 2, "--steps"},
        Wrong{"pagejit-demo --steps many", 2, "many"}, Wrong{"pagejit-demo --device tpu", 2, "tpu"},
        Wrong{"pagejit-demo --frobnicate", 2, "frobnicate"},
        Wrong{"pagejit-bench --filter no-such-case --device none", 2, "none"},
        Wrong{"pagejit-precompile --spec 'flatten page=0' --target sm_90a", 0, ""},
        Wrong{"pagejit-precompile --model broken.json --target sm_90a", 0, ""},
        Wrong{"pagejit-precompile --model huge.json --target sm_90a --dry-run", 2, "huge.json"}}) {
    bool needs_compiler = w.code == 0;  // without the compiler these end earlier, with code 8
    Ran ran = run_program(cd + w.command);
    CAPTURE(w.command);
    CAPTURE(ran.err);
    CHECK(ran.code == (needs_compiler ? (PAGEJIT_WITH_COMPILER ? 2 : 8) : w.code));
    CHECK(has(ran.err, w.says));
    CHECK(ran.out.empty());
    CHECK_FALSE(has(ran.err, "terminate"));
  }
}

TEST_CASE("bad input: --device cuda without a GPU is exit code 8, and says what was looked for") {
  Ran ran = run_program("pagejit-demo --device cuda --steps 1");
  if (ran.code == 0) return;  // this machine has one
  CHECK(ran.code == 8);
  CHECK(has(ran.err, "PJ0012"));
  CHECK(has(ran.err, "libcuda"));
}

TEST_CASE("help: every program says what it is for, on stdout, and ends with 0") {
  for (const char* program : {"pagejit-demo", "pagejit-bench", "pagejit-precompile", "pagejit-cache"}) {
    Ran ran = run_program(std::string(program) + " --help");
    CAPTURE(program);
    CHECK(ran.code == 0);
    CHECK(has(ran.out, program));
    CHECK(ran.err.empty());
  }
}

TEST_CASE("lists: every family's fields, every bench case") {
  Ran families = run_program("pagejit-precompile --list");
  CHECK(families.code == 0);
  CHECK(has(families.out, "flatten"));
  CHECK(has(families.out, "page=64"));
  Ran cases = run_program("pagejit-bench --list --filter b32");
  CHECK(cases.code == 0);
  CHECK(has(cases.out, "b32-l8192-p64-shd\n"));
  CHECK_FALSE(has(cases.out, "b1-"));
}
