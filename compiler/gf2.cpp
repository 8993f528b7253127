#include "compiler/gf2.h"

#include <bit>

namespace pagejit {

Gf2Span::Row Gf2Span::reduce(Row row) const {
  for (const Row& r : rows_)  // rows are kept by falling highest bit
    if (row.vector & std::bit_floor(r.vector)) row = {row.vector ^ r.vector, row.sum ^ r.sum};
  return row;
}

bool Gf2Span::add(std::uint64_t v) {
  Row row = reduce({v, std::uint64_t{1} << added_++});
  if (row.vector == 0) {
    relations_.push_back(row.sum);
    return false;
  }
  auto at = rows_.begin();
  while (at != rows_.end() && at->vector > row.vector) ++at;
  rows_.insert(at, row);
  return true;
}

std::optional<std::uint64_t> Gf2Span::solve(std::uint64_t v) const {
  Row row = reduce({v, 0});
  return row.vector == 0 ? std::optional(row.sum) : std::nullopt;
}

}  // namespace pagejit
