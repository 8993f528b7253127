#include "runtime/cuda/launch.h"

#include <fmt/format.h>

#include "runtime/base/error.h"

namespace pagejit::cuda {
namespace {
constexpr std::uint32_t most_x = 0x7fffffff, most_yz = 0xffff;  // of every chip since 3.0

[[noreturn]] [[gnu::cold]] void bad_grid(const KernelFacts& facts, Grid grid) {
  std::string expected = fmt::format("1 to {} × 1 to {} × 1 to {}", most_x, most_yz, most_yz);
  if (facts.cluster > 1) expected += fmt::format(", the first a multiple of the cluster, {}", facts.cluster);
  fail(Code::argument,
       fmt::format("{} cannot be launched with a grid of {} × {} × {} blocks", facts.symbol, grid.x, grid.y, grid.z),
       {{"expected", expected}});
}

bool grid_ok(Grid g, int cluster) {
  // Minus one turns zero into the largest number: one comparison a dimension.
  bool fits = g.x - 1 < most_x && g.y - 1 < most_yz && g.z - 1 < most_yz;
  return fits && (cluster == 1 || g.x % static_cast<std::uint32_t>(cluster) == 0);
}

/// The attributes of a kernel with these facts; gives how many there are.
unsigned fill_attributes(const KernelFacts& facts, LaunchAttribute* out) {
  unsigned count = 0;
  if (facts.pdl) {
    // Only where the code waits with griddepcontrol.wait: without it an early start would read what is not yet written.
    out[count].id = launch_early;
    out[count++].value.early = 1;
  }
  if (facts.cluster > 1) {
    out[count].id = launch_cluster;
    out[count++].value.cluster = {static_cast<unsigned>(facts.cluster), 1, 1};
  }
  return count;
}
}  // namespace

void launch_kernel(const Driver& driver, const CudaKernel& kernel, Grid grid, const void* params, StreamHandle stream) {
  const KernelFacts& facts = kernel.facts();
  if (!grid_ok(grid, facts.cluster)) [[unlikely]]
    bad_grid(facts, grid);
  LaunchAttribute attributes[2];
  LaunchConfig config{grid.x,
                      grid.y,
                      grid.z,
                      static_cast<unsigned>(facts.block),
                      1,
                      1,
                      static_cast<unsigned>(facts.dynamic_shared),
                      stream,
                      attributes,
                      fill_attributes(facts, attributes)};
  void* parameters[] = {const_cast<void*>(params)};
  Result result = driver.launch(&config, kernel.function(), parameters, nullptr);
  if (result != success) [[unlikely]]
    driver.check(result, "cuLaunchKernelEx",
                 fmt::format("launching {} with a grid of {} × {} × {} blocks of {} threads", facts.symbol, grid.x,
                             grid.y, grid.z, facts.block));
}

}  // namespace pagejit::cuda
