// How a caller says where the rows of new tokens go in a paged cache.
#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace pagejit {

enum class Where : unsigned char {
  ragged,     // sequences packed along the tokens, each with its new length; a page table [batch, columns]
  slots,      // a slot for each token: page · rows a page + row
  batch_pos,  // a sequence and a position for each token; page ids of all sequences behind one another (indptr,
              // indices)
};
constexpr auto enum_names(Where) {
  return std::array<std::pair<Where, std::string_view>, 3>{
      {{Where::ragged, "ragged"}, {Where::slots, "slots"}, {Where::batch_pos, "batch_pos"}}};
}

}  // namespace pagejit
