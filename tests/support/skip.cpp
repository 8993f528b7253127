#include "tests/support/skip.h"

#include <algorithm>

namespace pagejit {
namespace {
std::vector<std::string>& reasons() {
  static std::vector<std::string> list;
  return list;
}
}  // namespace

void skip_test(std::string reason) {
  if (std::find(reasons().begin(), reasons().end(), reason) == reasons().end()) reasons().push_back(std::move(reason));
}

const std::vector<std::string>& skip_reasons() {
  return reasons();
}

}  // namespace pagejit
