#include "tests/support/seed.h"

#include <cstdlib>

#include "runtime/base/request.h"

namespace pagejit {

std::uint64_t test_seed() {
  const char* given = std::getenv("PAGEJIT_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20260101;
}

std::mt19937_64 random_for(std::string_view name) {
  return std::mt19937_64(test_seed() ^ hash64(name));
}

}  // namespace pagejit
