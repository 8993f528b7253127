// The host's half of flatten: checks the arguments, picks the Spec, shapes the launch. Knows no compiler and no driver.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "kernels/flatten/args.h"
#include "kernels/flatten/spec.h"
#include "runtime/backend.h"

namespace pagejit::flatten {

constexpr int max_dim = 4096;  // elements: a block of any alignment holds at least one head of it

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  const Spec* instead = nullptr;  // given: of weaker alignment than the call's own; the launch is shaped for it
};

/// Throws Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
/// Takes constant time, save for host_lengths; looks at no device memory.
bool plan(const FlattenArgs& args, int multiprocessors, Plan& out);
bool plan(const FlattenMlaArgs& args, int multiprocessors, Plan& out);

/// Sets threads and unroll, which follow from the other fields.
void choose_block(Spec& s, const Tuning& tuning = {});

/// How the output rows and heads are dealt out to blocks.
struct LaunchShape {
  std::int32_t group;        // heads a block
  std::int32_t rows;         // output rows a block
  std::int64_t row_blocks;   // the grid's x
  std::int64_t head_blocks;  // the grid's y
};
/// `rows_adjacent`: neighbouring rows of one head lie closer together in the output than neighbouring heads of one row
/// (hsd).
LaunchShape launch_shape(const Spec& s, std::int64_t heads, std::int64_t out_rows, std::int64_t batch,
                         bool rows_adjacent, int multiprocessors, const Tuning& tuning = {});

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// All that serving this model can ask for: alignment classes, tail policies, kinds of starts and lengths.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::flatten
