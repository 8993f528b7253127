#include "tools/demo/bandwidth.h"

#include <algorithm>

#include "tools/flatten_case.h"
#include "tools/stopwatch.h"

namespace pagejit::demo {
namespace {

/// As large a batch as does not fit into any L2, or a tiny one for the emulator.
FlattenShape big_shape(const Workload& work, bool emulated, std::size_t free_bytes) {
  FlattenShape s;
  s.page = work.page;
  s.heads = work.model.kv_heads;
  s.dim_k = work.model.dim_k;
  s.dim_v = work.model.dim_v;
  s.joint = work.model.mla;
  s.elem = work.model.elem;
  s.layout = work.layout;
  s.batch = emulated ? 4 : 32;
  s.length = emulated ? 64 : 16384;
  while (!emulated && s.length > 256 && footprint(s) > std::min<std::size_t>(free_bytes / 4, std::size_t{2} << 30))
    s.length /= 2;
  return s;
}

}  // namespace

void measure_bandwidth(Context& context, const Workload& work, KernelReport& kernel) {
  Stopwatch watch(context);
  bool emulated = context.emulated();
  FlattenCase flatten(context, big_shape(work, emulated, watch.free_bytes()), 1, work.seed);
  std::size_t half = flatten.bytes() / 2;
  DeviceMemory from(context, half, "copy source"), to(context, half, "copy target");
  context.fill(from.get(), 1, half);
  auto flatten_once = [&] { context.flatten(flatten.args(0), watch.stream()); };
  auto copy_once = [&] { watch.copy(to.get(), from.get(), half); };
  Stopwatch::Pair timed = watch.time_in_turn(emulated ? 1 : 30, 1, false, flatten_once, copy_once);
  kernel.microseconds = timed.first.median;
  kernel.gbps = static_cast<double>(flatten.bytes()) / timed.first.median / 1e3;
  kernel.copy_gbps = 2.0 * static_cast<double>(half) / timed.second.median / 1e3;
}

}  // namespace pagejit::demo
