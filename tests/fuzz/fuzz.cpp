#include "tests/fuzz/fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tests/runtime/support.h"

namespace pagejit::fuzz {

void expect(bool holds, std::string_view promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

void write_seeds_if_asked(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "--write-seeds") != 0) return;
  std::string folder = argv[2];
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : seeds()) testing::write_file(folder + "/seed-" + std::to_string(++number), seed);
  std::exit(0);
}

}  // namespace pagejit::fuzz
