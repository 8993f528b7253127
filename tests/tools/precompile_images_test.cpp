// The header and the object file, as a C compiler and a linker see them.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/run_program.h"
#include "tests/support/skip.h"
#include "tools/files.h"
#include "tools/precompile/images.h"
#include "tools/temporary_folder.h"

using namespace pagejit;
using namespace pagejit::precompile;

namespace {

Request request() {
  return make_request("flatten page=16", "sm_90a", "abi", "generator");
}

/// 1,000 bytes of machine code, all values among them.
Artifact artifact() {
  Artifact a;
  a.facts.symbol = "flatten";
  a.facts.block = 256;
  a.facts.registers = 40;
  a.ptx = "// ptx";
  for (int i = 0; i < 1000; ++i) a.cubin += static_cast<char>(i * 7);
  return a;
}

std::string key() {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(request().key_id));
  return text;
}

/// Prints the image byte for byte, and what else a program can ask.
std::string printer(const std::string& declarations, const std::string& size) {
  return declarations + "#include <stdio.h>\nint main(void) {\n  fwrite(pagejit_" + key() + "_image, 1, " + size +
         ", stdout);\n  return 0;\n}\n";
}

bool no_c_compiler() {
  bool none = run_program("command -v cc").code != 0;
  if (none) skip_test("no C compiler");
  return none;
}

/// What a C program prints that was built from `source` and `also`.
std::string printed(TemporaryFolder& folder, const std::string& source, const std::string& also = "") {
  write_whole_file(folder.path() + "/main.c", source);
  Ran built = run_program("cd '" + folder.path() + "' && cc -std=c99 -Wall -Wextra -Werror -o main main.c " + also);
  REQUIRE_MESSAGE(built.code == 0, built.err);
  CHECK(built.err.empty());
  return run_program("'" + folder.path() + "/main'").out;
}

}  // namespace

TEST_CASE("precompile: the header gives a C program the bytes and the facts") {
  if (no_c_compiler()) return;
  TemporaryFolder folder;
  write_whole_file(folder.path() + "/kernel.h", c_header(request(), artifact()));
  std::string source = "#include \"kernel.h\"\n" + printer("", "sizeof pagejit_" + key() + "_image");
  std::string p = "pagejit_" + key();
  source += "int check[" + p + "_block == 256 && " + p + "_registers == 40 && " + p + "_is_cubin ? 1 : -1];\n";
  source += "const char* names[] = {" + p + "_spec, " + p + "_target, " + p + "_symbol};\n";
  CHECK(printed(folder, source) == artifact().cubin);
}

TEST_CASE("precompile: the object file links, with its bytes and its size as symbols") {
  if (no_c_compiler()) return;
  TemporaryFolder folder;
  write_whole_file(folder.path() + "/kernel.o", elf_object(request(), artifact()));
  std::string p = "pagejit_" + key();
  std::string declared =
      "extern const unsigned char " + p + "_image[];\nextern const unsigned long long " + p + "_image_bytes;\n";
  CHECK(printed(folder, printer(declared, p + "_image_bytes"), "kernel.o") == artifact().cubin);
}

TEST_CASE("precompile: without machine code both hold PTX that ends with a zero") {
  Artifact a = artifact();
  a.cubin.clear();
  if (no_c_compiler()) return;
  TemporaryFolder folder;
  write_whole_file(folder.path() + "/kernel.h", c_header(request(), a));
  std::string out = printed(folder, "#include \"kernel.h\"\n" + printer("", "sizeof pagejit_" + key() + "_image"));
  CHECK(out == a.ptx + '\0');
}
