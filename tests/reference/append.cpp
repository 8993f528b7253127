#include "tests/reference/append.h"

#include <algorithm>

#include "tests/reference/numbers.h"

namespace pagejit::reference {

void append(const Append& a, const std::vector<Place>& tokens,
            const std::function<void(std::byte* at, Elem elem)>& wrote_number) {
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const Place& to = tokens[t];
    if (to.page < 0) continue;
    for (std::int64_t h = 0; h < a.heads; ++h) {
      Encode e = a.encode;
      if (!a.scales.empty()) e.scale = a.scales[a.scales.size() == 1 ? 0 : static_cast<std::size_t>(h)];
      Encoded row = encode_row(e, a.in + static_cast<std::int64_t>(t) * a.in_token + h * a.in_head, a.dim);
      std::int64_t at = to.page * a.page + to.row * a.row + h * a.head;
      std::copy(row.codes.begin(), row.codes.end(), a.codes + at);
      if (e.quant == Quant::none && e.stored != e.in)  // a NaN stays one, its bits do not
        for (std::int64_t i = 0; i < a.dim; ++i) wrote_number(a.codes + at + i * bytes(e.stored), e.stored);
      std::copy(row.loose.begin(), row.loose.end(), a.loose + at);
      Elem elem = e.quant == Quant::fp8_group ? Elem::f32 : e.meta;
      for (std::size_t i = 0; i < row.metadata.size(); ++i) {
        std::byte* number = a.metadata + to.page * a.meta_page + to.row * a.meta_row + h * a.meta_head +
                            static_cast<std::int64_t>(i) * bytes(elem);
        encode(elem, row.metadata[i], number);
        wrote_number(number, elem);
      }
    }
  }
}

}  // namespace pagejit::reference
