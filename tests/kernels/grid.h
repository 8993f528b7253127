// What grids of cases are dealt out and run with.
#pragma once
#include <algorithm>
#include <cstdint>
#include <exception>
#include <random>
#include <string>
#include <vector>

namespace pagejit::tests {

using Random = std::mt19937_64;

inline std::int64_t pick(Random& random, std::int64_t least, std::int64_t most) {
  return std::uniform_int_distribution<std::int64_t>(least, most)(random);
}

/// Deals out values: all of them in random order, then all again.
template <class T>
class Deck {
 public:
  explicit Deck(std::vector<T> values) : values_(std::move(values)) {}
  T next(Random& random) {
    if (at_ % values_.size() == 0) std::shuffle(values_.begin(), values_.end(), random);
    return values_[at_++ % values_.size()];
  }

 private:
  std::vector<T> values_;
  std::size_t at_ = 0;
};

/// What run(case) finds wrong with each case, an exception included; stops after ten.
template <class Case, class Run>
std::vector<std::string> problems_of(const std::vector<Case>& cases, const Run& run) {
  std::vector<std::string> problems;
  for (const Case& c : cases) {
    if (problems.size() == 10) break;
    try {
      std::string problem = run(c);
      if (!problem.empty()) problems.push_back(problem);
    } catch (const std::exception& e) {
      problems.push_back(std::string(e.what()) + "\n  case: " + c.text());
    }
  }
  return problems;
}

}  // namespace pagejit::tests
