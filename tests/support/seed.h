// Where random inputs come from: one printed number, the same on every run unless PAGEJIT_SEED says otherwise.
#pragma once
#include <cstdint>
#include <random>
#include <string_view>

namespace pagejit {

std::uint64_t test_seed();
/// A generator of its own for each name, so that a test's inputs do not depend on which tests ran before it.
std::mt19937_64 random_for(std::string_view name);

}  // namespace pagejit
