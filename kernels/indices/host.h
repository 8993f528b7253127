// The host's half of the index kernels: checks the arguments, picks the Spec, shapes the launch. Knows no compiler and
// no driver.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "kernels/indices/args.h"
#include "kernels/indices/spec.h"
#include "runtime/backend.h"

namespace pagejit::indices {

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  const Spec* instead = nullptr;  // for the families whose Specs have an alignment class
};

/// Throw Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
/// Take constant time and look at no device memory.
bool plan(const BatchPositionsArgs& args, int multiprocessors, Plan& out);
bool plan(const SeqLensArgs& args, int multiprocessors, Plan& out);
bool plan(const SlotMappingArgs& args, int multiprocessors, Plan& out);
bool plan(const StartOffsetsArgs& args, int multiprocessors, Plan& out);

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// All that there is: no Spec depends on a model, save for the types of its lists.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::indices
