// Vectors over GF(2) as bit masks: adding is xor. What linear layouts are computed with.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace pagejit {

/// The span of vectors that are added one after the other, and how it is made of them. At most 64 vectors of 64 bits.
class Gf2Span {
 public:
  /// False where `v` is a sum of earlier ones; what is added counts either way, so that vectors keep their numbers.
  bool add(std::uint64_t v);
  bool contains(std::uint64_t v) const { return reduce({v, 0}).vector == 0; }
  /// Which vectors add up to `v`: bit i stands for the i-th added. None where no sum does.
  std::optional<std::uint64_t> solve(std::uint64_t v) const;
  /// Sums that give zero, one for each vector that was a sum of earlier ones.
  const std::vector<std::uint64_t>& relations() const { return relations_; }
  int rank() const { return static_cast<int>(rows_.size()); }

 private:
  struct Row {
    std::uint64_t vector, sum;  // `vector` is the sum of these added ones
  };
  Row reduce(Row row) const;

  std::vector<Row> rows_;  // each has a highest bit that no other has as its highest
  std::vector<std::uint64_t> relations_;
  int added_ = 0;
};

}  // namespace pagejit
