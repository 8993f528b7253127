#include "runtime/base/once_map.h"

#include <doctest/doctest.h>

#include <stdexcept>

namespace pagejit {
namespace {

TEST_CASE("two texts of one hash are two keys") {
  OnceMap<int> map;
  CHECK(map.get(7, "a", [] { return 1; }) == 1);
  CHECK(map.get(7, "b", [] { return 2; }) == 2);
  CHECK(map.get(7, "a", [] { return 3; }) == 1);
  CHECK(*map.find(7, "b") == 2);
}

TEST_CASE("a value that could not be made is not there, and the next to ask makes it") {
  OnceMap<int> map;
  CHECK_THROWS(map.get(7, "a", []() -> int { throw std::runtime_error("no"); }));
  CHECK(map.find(7, "a") == nullptr);
  CHECK(map.get(7, "a", [] { return 1; }) == 1);
}

TEST_CASE("values do not move when many more come") {
  OnceMap<int> map;
  int* first = &map.get(0, "first", [] { return 42; });
  for (int i = 0; i < 20000; ++i) map.get(static_cast<std::uint64_t>(i), std::to_string(i), [&] { return i; });
  CHECK(map.find(0, "first") == first);
  CHECK(*map.find(12345, "12345") == 12345);
}
}  // namespace
}  // namespace pagejit
