// A test that cannot run here says why; the program then ends with ctest's code for "skipped".
#pragma once
#include <string>
#include <vector>

namespace pagejit {

constexpr int skip_code = 77;

/// Notes that something was left out, and why. The caller returns.
void skip_test(std::string reason);
const std::vector<std::string>& skip_reasons();

}  // namespace pagejit
