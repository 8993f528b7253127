// The host's half of rope: checks the arguments, picks the Spec, deals out the work. Knows no compiler and no driver.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "kernels/rope/args.h"
#include "kernels/rope/spec.h"
#include "runtime/backend.h"

namespace pagejit::rope {

struct Plan {
  Spec spec;
  Params params{};
  Grid grid;
  const Spec* instead = nullptr;  // given: of weaker alignment than the call's own; the launch is shaped for it
};

/// Throw Error(argument) before anything has happened if the call cannot be right. False: there is nothing to do.
/// Take constant time; look at no device memory.
bool plan(const RopeQuantizeArgs& args, int multiprocessors, Plan& out);
bool plan(const RopeAppendArgs& args, int multiprocessors, Plan& out);
bool plan(const RopeAppendMlaArgs& args, int multiprocessors, Plan& out);

/// Sets threads and unroll, which follow from the other fields.
void choose_block(Spec& s, const Tuning& tuning = {});

constexpr std::int64_t max_heads = 4096;
constexpr int max_tile =
    128;  // tokens; with max_heads it keeps the products of `divided` (template_blocks.cpp) in 32 bits

/// How one part's heads and the tokens of a tile are dealt out to blocks.
struct Deal {
  std::int32_t pass;    // heads that a block's threads hold side by side
  std::int32_t group;   // heads of a block: pass · the heads of a thread
  std::int32_t splits;  // blocks that share a token's heads
  std::int32_t blocks;  // of a tile
};
struct Deals {
  std::int32_t tile;         // tokens
  std::int32_t tile_blocks;  // of all parts
  std::int64_t tiles;
  std::array<Deal, parts> part;
};
Deals deal(const Spec& s, std::int64_t tokens, std::int64_t query_heads, std::int64_t kv_heads, int multiprocessors,
           const Tuning& tuning = {});

/// One line for `--list`; what a field means, for each name in Spec::fields().
std::string_view summary();
std::string_view field_help(std::string_view field);

/// What serving this model asks for: both styles, places by slot (i64) and by position (i32), types of ids, alignment
/// classes; padding skipped.
std::vector<Spec> specs_for_model(const ModelShape& model);

}  // namespace pagejit::rope
