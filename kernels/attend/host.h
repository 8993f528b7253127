// The host's half of attention: checks the arguments, picks the Spec, shapes the launch. Knows no compiler and no
// driver.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "kernels/attend/args.h"
#include "kernels/attend/spec.h"
#include "kernels/combine/host.h"
#include "kernels/common/chip.h"
#include "kernels/common/model.h"
#include "runtime/backend.h"

namespace pagejit::attend {

constexpr int max_dim = 1024;    // elements of a row
constexpr int max_group = 1024;  // query heads of a KV head

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  BoxedTensor keys, values;   // with spec.bulk: what params.k_map and v_map have to describe
  std::size_t workspace = 0;  // bytes that the call needs
  combine::Plan then;         // what puts the parts together
  /// What does so for any batch: all loaded with it, so that no batch waits for a compiler.
  std::array<combine::Spec, combine::shares.size()> combines;
};

/// Throws Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
/// Takes constant time and looks at no device memory.
bool plan(const DecodeArgs& args, const Chip& chip, Plan& out);
/// The same, without a look at args.workspace.
bool plan_without_workspace(const DecodeArgs& args, const Chip& chip, Plan& out);

/// Sets rows, keys, stages, warps, teams and bulk, which follow from the other fields, from how many rows there are,
/// and from the chip.
void choose_team(Spec& s, std::int64_t rows, const Chip& chip, const Tuning& tuning = {});
/// How many teams a multiprocessor holds at once, about: shared memory and registers bound it.
int resident_teams(const Spec& s, const Chip& chip);
/// Whether the copy engine can bring rows of K and V.
bool fits_bulk(const Spec& s);
/// What puts the parts together, but for the shape of its blocks: that follows from the batch (combine::choose_block).
combine::Spec combine_spec(const Spec& s);
/// Nothing of a team's shape follows from the alignment, so that sums have one order whatever it is: only how rows are
/// brought.
inline void choose_block(Spec& s) {
  s.bulk = s.bulk && fits_bulk(s);
}

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// All that serving this model can ask for.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::attend
