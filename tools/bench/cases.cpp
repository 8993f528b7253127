#include "tools/bench/cases.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagejit::bench {
namespace {

/// So many sets of buffers that a launch finds nothing in L2: three times its size, and one set where one is enough.
int sets_for(const Case& what, std::size_t l2) {
  std::uint64_t each = std::max<std::uint64_t>(what.set_bytes, 1);
  return static_cast<int>(std::clamp<std::uint64_t>((3 * l2 + each - 1) / each, 1, 64));
}

/// As many bytes as a case moves, for the device's own copy: half of them read, half written.
struct CopyBuffers {
  CopyBuffers(Context& context, int copies, std::size_t each) : half(each) {
    for (int i = 0; i < copies; ++i) {
      from.push_back(memory.noise(context, half, "copy source", static_cast<std::uint64_t>(i)));
      to.push_back(memory.room(context, half, "copy target"));
    }
  }
  std::size_t half;
  Buffers memory;
  std::vector<std::byte*> from, to;
};

}  // namespace

std::vector<Case> all_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  for (auto family : {flatten_cases, quantised_cases, append_cases, rope_cases, attend_cases, merge_cases})
    for (Case& one : family(tuning, emulated)) all.push_back(std::move(one));
  return all;
}

std::vector<Case> cases_and_views(Tuning tuning, bool emulated) {
  std::vector<Case> all = all_cases(tuning, emulated), paired;
  tuning.spread = 2;
  std::vector<Case> views = all_cases(tuning, emulated);
  for (Case& packed : all) {
    auto same = std::find_if(views.begin(), views.end(), [&](const Case& v) { return v.name == packed.name; });
    if (same == views.end()) continue;
    Case view = std::move(*same);
    view.name += "-view", view.view = true, view.set_bytes = packed.set_bytes;
    view.least_of_copy = view.least_of_read = view.least_tflops = view.most_us =
        0;  // its bar is what its packed twin takes
    paired.push_back(std::move(packed));
    paired.push_back(std::move(view));
  }
  return paired;
}

std::optional<bool> CaseResult::met() const {
  if (of_packed) return *of_packed >= least_of_packed;
  if (what.least_of_copy > 0) return of_copy() >= what.least_of_copy;
  if (what.least_of_read > 0 && read_gbps > 0) return of_read() >= what.least_of_read;
  if (what.least_tflops > 0) return tflops() >= what.least_tflops;
  if (what.most_us > 0) return kernel.median <= what.most_us;
  return std::nullopt;
}

void CaseResult::compare_with(const CaseResult& packed) {
  bool twin = packed.what.name + "-view" == what.name;
  if (twin && kernel.median > 0) of_packed = packed.kernel.median / kernel.median;
}

CaseResult run_case(Context& context, Stopwatch& watch, const Case& what, double read_gbps) {
  CaseResult r;
  r.what = what;
  r.read_gbps = read_gbps;
  bool emulated = context.emulated();
  if (emulated)
    r.what.least_of_copy = r.what.least_of_read = r.what.least_tflops = r.what.most_us = 0;  // the bars are for a GPU
  r.copies = emulated ? 1 : sets_for(what, watch.l2_bytes());
  std::uint64_t needed = what.set_bytes * static_cast<std::uint64_t>(r.copies) * (what.view ? 3 : 2);
  if (needed > watch.free_bytes()) {
    r.skipped = fmt::format("needs {} MiB of device memory", needed >> 20);
    return r;
  }
  std::unique_ptr<Workload> work = what.make(context, r.copies);
  r.bytes = work->bytes();
  r.flops = work->flops();
  r.spec = work->spec(context);
  CopyBuffers buffers(context, r.copies, std::max<std::size_t>(r.bytes / 2, 1));
  int samples = emulated ? 2 : 50, units = what.replay && !emulated ? std::max(r.copies, 16) : 1;
  auto set = [&](int i) { return static_cast<std::size_t>(i % r.copies); };
  auto run_all = [&] {
    for (int i = 0; i < units; ++i) work->launch(context, set(i), watch.stream());
  };
  auto copy_all = [&] {
    for (int i = 0; i < units; ++i) watch.copy(buffers.to[set(i)], buffers.from[set(i)], buffers.half);
  };
  Stopwatch::Pair timed = watch.time_in_turn(samples, units, what.replay, run_all, copy_all);
  r.kernel = timed.first;
  r.copy = timed.second;
  return r;
}

}  // namespace pagejit::bench
