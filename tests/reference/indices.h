// The index lists in plain loops. Shares no code with the kernels.
#pragma once
#include <cstdint>
#include <vector>

namespace pagejit::reference {

using Numbers = std::vector<std::int64_t>;

struct TokenPlaces {
  Numbers sequence, position;
};

/// Sequence b owns tokens indptr[b] … indptr[b + 1] − 1, the last of which stands at lengths[b] − 1. Of `tokens`, those
/// that nobody owns get −1 and 0.
TokenPlaces positions(const Numbers& indptr, const Numbers& lengths, std::int64_t tokens);

/// Rows in the pages indptr[b] … indptr[b + 1] − 1 of each sequence: all full but the last.
Numbers seq_lens(const Numbers& indptr, const Numbers& last_page, std::int64_t page);

/// The slot of each token; pages[b] are the page ids of sequence b.
Numbers slots(const TokenPlaces& tokens, const std::vector<Numbers>& pages, std::int64_t page);

/// The sum of all lengths before each; `sums` may be one more than lengths. None exceeds `most`.
Numbers starts(const Numbers& lengths, std::size_t sums, std::int64_t most);

}  // namespace pagejit::reference
