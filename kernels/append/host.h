// The host's half of append: checks the arguments, picks the Spec, shapes the launch. Knows no compiler and no driver.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/append/args.h"
#include "kernels/append/spec.h"
#include "kernels/common/model.h"
#include "runtime/backend.h"

namespace pagejit::append {

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  const Spec* instead = nullptr;  // given: of weaker alignment than the call's own; the launch is shaped for it
};

// Each throws Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
// They take constant time and look at no device memory.
bool plan(const FillArgs& args, int multiprocessors, Plan& out);
bool plan(const AppendArgs& args, int multiprocessors, Plan& out);
bool plan(const ReshapeAndCacheArgs& args, int multiprocessors, Plan& out);
bool plan(const AppendMlaArgs& args, int multiprocessors, Plan& out);
bool plan(const ConcatMlaArgs& args, int multiprocessors, Plan& out);
bool plan(const IndexerArgs& args, int multiprocessors, Plan& out);

/// Sets threads and items, which follow from the other fields.
void choose_block(Spec& s, const Tuning& tuning = {});

/// How tokens and heads are dealt out to blocks.
struct LaunchShape {
  std::int32_t group;         // heads a block
  std::int32_t rows;          // tokens a block
  std::int64_t token_blocks;  // the grid's x
  std::int64_t head_blocks;   // the grid's y
};
LaunchShape launch_shape(const Spec& s, std::int64_t heads, std::int64_t tokens, std::int64_t batch,
                         int multiprocessors);

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// All that serving this model can ask for.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::append
