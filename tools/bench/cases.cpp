#include "tools/bench/cases.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagejit::bench {
namespace {

using Out = FlattenArgs::Out;
using Layout = FlattenArgs::Layout;

// The emulator checks accesses and measures nothing: there, a case only shows that it runs.
FlattenShape shrunk(FlattenShape s) {
  s.batch = std::min(s.batch, 2);
  s.length = std::min(s.length, 40);
  s.heads = std::min(s.heads, 2);
  s.page_stride_layers = std::min(s.page_stride_layers, 2);
  return s;
}

/// So many sets of buffers that a launch finds nothing in L2: three times its size, and one set where one is enough.
int sets_for(const FlattenShape& shape, std::size_t l2) {
  std::uint64_t each = footprint(shape);
  return static_cast<int>(std::clamp<std::uint64_t>((3 * l2 + each - 1) / each, 1, 64));
}

/// As many bytes as a case moves, for the device's own copy: half of them read, half written.
struct CopyBuffers {
  CopyBuffers(Context& context, int copies, std::size_t each) : half(each) {
    for (int i = 0; i < copies; ++i) {
      from.emplace_back(context, half, "copy source");
      to.emplace_back(context, half, "copy target");
      fill_with_noise(context, from.back().get(), half, static_cast<std::uint64_t>(i));
    }
  }
  std::size_t half;
  std::vector<DeviceMemory> from, to;
};

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"b32-l8192-p64-shd", {.out = Out::shd}, false, 0.96, 0},
      {"b32-l8192-p64-hsd", {.out = Out::hsd}, false, 0.96, 0},
      {"b32-l8192-p16-shd", {.page = 16, .out = Out::shd}, false, 0.95, 0},
      {"b32-l8192-p16-hsd", {.page = 16, .out = Out::hsd}, false, 0.95, 0},
      {"b32-l8192-p64-shd-of32layers", {.out = Out::shd, .page_stride_layers = 32}, false, 0.95, 0},
      {"b32-l8192-p64-hsd-of32layers", {.out = Out::hsd, .page_stride_layers = 32}, false, 0.95, 0},
      {"b32-l8192-p64-hnd-hsd", {.layout = Layout::hnd, .out = Out::hsd}, false, 0, 0},
      {"b64-l2048-h32-p64-hsd", {.batch = 64, .length = 2048, .heads = 32, .out = Out::hsd}, false, 0, 0},
      {"b64-l8192-mla576-p64-shd", {.batch = 64, .heads = 1, .dim_k = 576, .dim_v = 512, .joint = true}, false, 0, 0},
      {"b64-l8192-joint128-p64-shd", {.batch = 64, .joint = true}, false, 0, 0},
      {"b16-l8192-f32-p64-shd", {.batch = 16, .elem = Elem::f32}, false, 0, 0},
      {"b32-l8192-d80-p64-shd", {.dim_k = 80, .dim_v = 80}, false, 0, 0},
      {"b8-l1024-p64-shd", {.batch = 8, .length = 1024, .exact = true}, true, 0, 18},
      {"b8-l1024-p64-shd-settled", {.batch = 8, .length = 1024, .exact = true, .settled = true}, true, 0, 18},
      {"b1-l4096-h1-p64-shd", {.batch = 1, .length = 4096, .heads = 1, .exact = true}, true, 0, 3.5},
      {"b1-l4096-h1-p64-shd-settled",
       {.batch = 1, .length = 4096, .heads = 1, .exact = true, .settled = true},
       true,
       0,
       3.5},
      {"b1000-l512-p64-shd", {.batch = 1000, .length = 512}, false, 0, 0},
      {"b64-l128-p64-shd", {.batch = 64, .length = 128}, true, 0, 0},
  };
  return all;
}

std::optional<bool> CaseResult::met() const {
  if (what.least_of_copy > 0) return of_copy() >= what.least_of_copy;
  if (what.most_us > 0) return kernel.median <= what.most_us;
  return std::nullopt;
}

CaseResult run_case(Context& context, Stopwatch& watch, const Case& what) {
  CaseResult r;
  r.what = what;
  bool emulated = context.emulated();
  if (emulated) {
    r.what.shape = shrunk(what.shape);
    r.what.least_of_copy = r.what.most_us = 0;  // the bars are for a GPU
  }
  r.copies = emulated ? 1 : sets_for(r.what.shape, watch.l2_bytes());
  std::uint64_t needed = footprint(r.what.shape) * static_cast<std::uint64_t>(r.copies) * 2;
  if (needed > watch.free_bytes()) {
    r.skipped = fmt::format("needs {} MiB of device memory", needed >> 20);
    return r;
  }
  FlattenCase flatten(context, r.what.shape, r.copies, 1);
  r.bytes = flatten.bytes();
  r.spec = context.spec_line(flatten.args(0));
  CopyBuffers buffers(context, r.copies, r.bytes / 2);
  int samples = emulated ? 2 : 50, units = what.replay && !emulated ? std::max(r.copies, 16) : 1;
  auto flatten_all = [&] {
    for (int i = 0; i < units; ++i) context.flatten(flatten.args(i % r.copies), watch.stream());
  };
  auto copy_all = [&] {
    for (int i = 0; i < units; ++i) {
      std::size_t set = static_cast<std::size_t>(i % r.copies);
      watch.copy(buffers.to[set].get(), buffers.from[set].get(), buffers.half);
    }
  };
  Stopwatch::Pair timed = watch.time_in_turn(samples, units, what.replay, flatten_all, copy_all);
  r.kernel = timed.first;
  r.copy = timed.second;
  return r;
}

}  // namespace pagejit::bench
