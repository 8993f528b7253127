// The host's half: checks the arguments, picks the Spec, shapes the launch. Knows no compiler and no driver.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "kernels/merge/args.h"
#include "kernels/merge/spec.h"
#include "runtime/backend.h"

namespace pagejit::merge {

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  const Spec* instead = nullptr;  // of weaker alignment: to be planned for in place of the one that fits best
};

/// Throws Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
/// Takes constant time and looks at no device memory.
bool plan(const MergeArgs& args, int multiprocessors, Plan& out);

/// Sets threads and unroll, which follow from the other fields.
void choose_block(Spec& s);

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// All that serving this model can ask for: outputs as wide as V's heads, in the model's element and, where its cache
/// is fp8, in that.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::merge
