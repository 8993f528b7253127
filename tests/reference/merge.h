// Two attentions put together, in plain loops and double precision. Shares no code with the kernel.
#pragma once
#include <cstdint>
#include <vector>

namespace pagejit::reference {

/// One row of each side: elements, and the log of the sum of its weights; an infinite one says that no key was seen.
struct AttentionState {
  std::vector<double> out;
  double lse = 0;
};

/// Zeros and −∞ where neither side saw a key.
AttentionState merge(const AttentionState& prefix, const AttentionState& suffix);

}  // namespace pagejit::reference
