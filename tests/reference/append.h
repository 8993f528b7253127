// Writers of paged caches in plain loops over host memory, one tensor at a time. Shares no code with the kernel.
#pragma once
#include <functional>

#include "tests/reference/encode.h"

namespace pagejit::reference {

/// Where one token goes; a page below 0: nowhere.
struct Place {
  std::int64_t page = -1, row = 0;
};

/// Strides in bytes. Pointers to the first element of the first head of the first token or row.
struct Append {
  Encode encode;
  std::int64_t heads = 0, dim = 0;
  const std::byte* in = nullptr;
  std::int64_t in_token = 0, in_head = 0;
  std::byte *codes = nullptr, *loose = nullptr;  // loose: as large as codes; bits set in it may differ
  std::int64_t page = 0, row = 0, head = 0;
  std::byte* metadata = nullptr;
  std::int64_t meta_page = 0, meta_row = 0, meta_head = 0;
  std::vector<double> scales;  // of fp8: one, or one a head
};

/// `wrote_number` hears of each number that was converted and stored as such, metadata among them, where and in which
/// type.
void append(const Append& a, const std::vector<Place>& tokens,
            const std::function<void(std::byte* at, Elem elem)>& wrote_number);

}  // namespace pagejit::reference
