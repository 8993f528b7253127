// Small random changes to inputs that are known, for where there is no libFuzzer.
#pragma once
#include <random>
#include <string>
#include <vector>

namespace pagejit::fuzz {

class Mutator {
 public:
  Mutator(std::mt19937_64 random, std::vector<std::string> inputs)
      : random_(std::move(random)), inputs_(std::move(inputs)) {}
  /// One of the inputs after one to four changes.
  std::string operator()();

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  void change(std::string& input);
  std::string piece();

  std::mt19937_64 random_;
  std::vector<std::string> inputs_;
};

}  // namespace pagejit::fuzz
