// Which libraries the programs need, read from the files themselves.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/run_program.h"
#include "tools/compiler_producer.h"
#include "tools/precompile/toolchain.h"

using namespace pagejit;

namespace {

std::string needed_by(const std::string& file) {
  return run_program("readelf -d '" + file + "' | grep NEEDED").out;
}

std::vector<std::string> built() {
  std::vector<std::string> files;
  for (const char* folder : {"/bin", "/lib"}) {
    std::string path = std::string(PAGEJIT_BINARY_DIR) + folder;
    if (!std::filesystem::exists(path)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("linking: readelf finds what a program needs") {
  CHECK(has(needed_by(PAGEJIT_BINARY_DIR "/bin/pagejit-cache"), "libc.so"));
}

TEST_CASE("linking: without the compiler nothing that is built needs LLVM; with it, pagejit-cache still does not") {
  for (const std::string& file : built()) {
    bool may = PAGEJIT_WITH_COMPILER && !file.ends_with("/pagejit-cache");
    if (!may) CHECK_MESSAGE(!has(needed_by(file), "LLVM"), file);
  }
}

TEST_CASE("linking: programs that do not load the compiler name it as it names itself") {
  auto compiler = precompile::make_toolchain();
  CHECK(compiler_producer() == (compiler ? compiler->producer() : ""));
}

TEST_CASE("linking: nothing is linked to the CUDA driver or its runtime") {
  for (const std::string& file : built()) {
    std::string needed = needed_by(file);
    CHECK_MESSAGE(!has(needed, "libcuda"), file);
    CHECK_MESSAGE(!has(needed, "libcudart"), file);
  }
}
