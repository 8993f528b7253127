#include "tools/bench/ceilings.h"

#include <algorithm>

#include "tools/bench/read_kernel.h"
#include "tools/device_memory.h"

namespace pagejit::bench {

Ceilings measure_ceilings(Context& context, Stopwatch& watch) {
  bool emulated = context.emulated();
  std::size_t bytes = emulated ? 1 << 20 : std::min<std::size_t>(watch.free_bytes() / 4, std::size_t{1} << 30);
  DeviceMemory from(context, bytes, "source"), to(context, bytes, "target");
  context.fill(from.get(), 1, bytes);
  Ceilings c;
  Timing copy = watch.time(20, 1, [&] { watch.copy(to.get(), from.get(), bytes); });
  c.copy_gbps = 2.0 * static_cast<double>(bytes) / copy.median / 1e3;
  if (!emulated) c.read_gbps = read_only_gbps(context, watch, from.get(), to.get(), bytes);
  return c;
}

}  // namespace pagejit::bench
