#include "tests/reference/merge.h"

#include <cmath>
#include <limits>

namespace pagejit::reference {

AttentionState merge(const AttentionState& prefix, const AttentionState& suffix) {
  AttentionState r{std::vector<double>(suffix.out.size()), -std::numeric_limits<double>::infinity()};
  if (std::isinf(prefix.lse) && std::isinf(suffix.lse)) return r;
  if (std::isinf(prefix.lse)) return suffix;
  if (std::isinf(suffix.lse)) return prefix;
  double most = std::max(prefix.lse, suffix.lse);
  double of_prefix = std::exp(prefix.lse - most), of_suffix = std::exp(suffix.lse - most);
  for (std::size_t d = 0; d < r.out.size(); ++d)
    r.out[d] = (of_prefix * prefix.out[d] + of_suffix * suffix.out[d]) / (of_prefix + of_suffix);
  r.lse = most + std::log(of_prefix + of_suffix);
  return r;
}

}  // namespace pagejit::reference
