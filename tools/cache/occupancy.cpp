#include "tools/cache/occupancy.h"

#include <algorithm>
#include <iterator>

namespace pagejit::cache_tool {
namespace {

/// "Technical specifications per compute capability" of the CUDA programming guide.
struct Chip {
  std::string_view name;
  int warps, blocks, shared_kib;  // of a multiprocessor
};
constexpr Chip chips[] = {
    {"sm_80", 64, 32, 164},  {"sm_86", 48, 16, 100},  {"sm_87", 48, 16, 164},  {"sm_89", 48, 24, 100},
    {"sm_90", 64, 32, 228},  {"sm_100", 64, 32, 228}, {"sm_103", 64, 32, 228}, {"sm_110", 48, 24, 228},
    {"sm_120", 48, 24, 100}, {"sm_121", 48, 24, 100},
};
constexpr int registers = 65536, parts = 4;            // a quarter of the registers belongs to each scheduler
constexpr int register_unit = 256, shared_unit = 128;  // a warp's registers and a block's bytes come in such steps
constexpr int shared_reserved = 1024;                  // of each block, for the system

constexpr int up(int value, int unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

std::optional<Occupancy> occupancy_of(const KernelFacts& facts, const std::string& target) {
  std::string name = target.substr(0, target.find_last_of("0123456789") + 1);
  const Chip* chip = std::find_if(std::begin(chips), std::end(chips), [&](const Chip& c) { return c.name == name; });
  if (chip == std::end(chips) || facts.registers <= 0 || facts.block <= 0) return std::nullopt;
  int warps = up(facts.block, 32) / 32;
  int by_registers = registers / parts / up(facts.registers * 32, register_unit) * parts / warps;
  int bytes = facts.dynamic_shared + std::max(0, facts.static_shared);
  int by_shared = chip->shared_kib * 1024 / (up(bytes, shared_unit) + shared_reserved);
  struct {
    int blocks;
    std::string_view name;
  } limits[] = {{chip->warps / warps, "warps"},
                {chip->blocks, "blocks"},
                {by_registers, "registers"},
                {by_shared, "shared memory"}};
  auto least = std::min_element(std::begin(limits), std::end(limits),
                                [](const auto& a, const auto& b) { return a.blocks < b.blocks; });
  return Occupancy{least->blocks, 100 * least->blocks * warps / chip->warps, least->name};
}

}  // namespace pagejit::cache_tool
