// How clang's libFuzzer calls a target (preset `fuzz`).
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  pagejit::fuzz::write_seeds_if_asked(*argc, *argv);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pagejit::fuzz::accepts({reinterpret_cast<const char*>(data), size});
  return 0;
}
