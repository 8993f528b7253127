#include "tests/fuzz/mutate.h"

#include <algorithm>

namespace pagejit::fuzz {
namespace {
// What parsers tend to be wrong about.
const std::string awkward[] = {
    "0",    "-1",  "2147483648",           "99999999999999999999", "%", "%00", "=", ",", " ", "\n", "#", "{", "]",
    "null", "1e9", std::string(8, '\xff'), std::string(8, '\0')};
}  // namespace

/// Up to 32 bytes of some input.
std::string Mutator::piece() {
  const std::string& from = inputs_[below(inputs_.size())];
  if (from.empty()) return {};
  return from.substr(below(from.size()), 1 + below(32));
}

void Mutator::change(std::string& input) {
  std::size_t at = below(input.size() + 1), length = std::min(input.size() - at, 1 + below(16));
  switch (below(6)) {
    case 0:
      input.erase(at, length);
      break;
    case 1:
      input.insert(at, awkward[below(std::size(awkward))]);
      break;
    case 2:
      input.replace(at, length, awkward[below(std::size(awkward))]);
      break;
    case 3:
      input.insert(at, piece());
      break;
    case 4:
      input.replace(at, length, piece());
      break;
    default:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
  }
}

std::string Mutator::operator()() {
  std::string input = inputs_[below(inputs_.size())];
  for (std::size_t changes = 1 + below(4); changes-- > 0;) change(input);
  return input;
}

}  // namespace pagejit::fuzz
