// The host's half: a launch that always follows one of attention, which shapes it (kernels/attend/host.cpp).
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "kernels/combine/spec.h"
#include "kernels/common/model.h"
#include "runtime/backend.h"

namespace pagejit::combine {

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
};

/// Into how many parts each sequence of a batch is split, about: a kernel each, which together serve any batch.
enum class Share { few, some, many };
inline constexpr std::array shares{Share::few, Share::some, Share::many};
constexpr Share share_of(int parts, int batch) {
  int each = batch > 0 ? parts / batch : parts;
  return each > 16 ? Share::many : each > 4 ? Share::some : Share::few;
}
/// Sets `parts`, `rows`, `columns` and `along`.
void choose_block(Spec& s, Share share);

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// None of its own: those that attention's Specs ask for.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::combine
