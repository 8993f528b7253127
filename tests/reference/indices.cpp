#include "tests/reference/indices.h"

#include <algorithm>

namespace pagejit::reference {

TokenPlaces positions(const Numbers& indptr, const Numbers& lengths, std::int64_t tokens) {
  auto count = static_cast<std::size_t>(tokens);
  TokenPlaces all{Numbers(count, -1), Numbers(count, 0)};
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    std::int64_t position = lengths[b] - (indptr[b + 1] - indptr[b]);
    for (std::int64_t i = indptr[b]; i < std::min(indptr[b + 1], tokens); ++i) {
      all.sequence[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(b);
      all.position[static_cast<std::size_t>(i)] = position++;
    }
  }
  return all;
}

Numbers seq_lens(const Numbers& indptr, const Numbers& last_page, std::int64_t page) {
  Numbers all;
  for (std::size_t b = 0; b < last_page.size(); ++b) {
    std::int64_t length = 0;
    for (std::int64_t i = indptr[b]; i < indptr[b + 1]; ++i) length += i + 1 < indptr[b + 1] ? page : last_page[b];
    all.push_back(length);
  }
  return all;
}

Numbers slots(const TokenPlaces& tokens, const std::vector<Numbers>& pages, std::int64_t page) {
  Numbers all;
  for (std::size_t i = 0; i < tokens.sequence.size(); ++i) {
    all.push_back(-1);
    if (tokens.sequence[i] < 0 || tokens.position[i] < 0) continue;
    const Numbers& ids = pages[static_cast<std::size_t>(tokens.sequence[i])];
    std::int64_t id = ids[static_cast<std::size_t>(tokens.position[i] / page)];
    if (id >= 0) all.back() = id * page + tokens.position[i] % page;
  }
  return all;
}

Numbers starts(const Numbers& lengths, std::size_t sums, std::int64_t most) {
  Numbers all;
  std::int64_t sum = 0;
  for (std::size_t b = 0; b < sums; ++b) {
    all.push_back(std::min(sum, most));
    if (b < lengths.size()) sum += std::clamp<std::int64_t>(lengths[b], 0, INT32_MAX);
  }
  return all;
}

}  // namespace pagejit::reference
