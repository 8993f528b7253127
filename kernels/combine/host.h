// The host's half: a launch that always follows one of attention, which shapes it (kernels/attend/host.cpp).
#pragma once
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

/// Sets `parts` and `rows`: for sequences in many parts, or for many sequences in few. Two kernels serve any batch.
void choose_block(Spec& s, bool many);

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// None of its own: those that attention's Specs ask for.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::combine
