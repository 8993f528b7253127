#include "tools/bench/host_time.h"

#include <chrono>
#include <vector>

#include "kernels/flatten/host.h"
#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "runtime/cuda/cuda_backend.h"
#include "tools/flatten_case.h"

namespace pagejit::bench {
namespace {

constexpr int burst = 400;  // calls: fewer than the driver's queue takes without waiting
constexpr int bursts = 31;

template <class Call>
double microseconds_a_call(const Call& call) {
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < burst; ++i) call();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / burst;
}

}  // namespace

HostTime measure_host_time(Context& context, Stopwatch& watch) {
  auto* backend = dynamic_cast<CudaBackend*>(&context.backend());
  if (backend == nullptr) return {};
  FlattenShape tiny{.batch = 1, .length = 64, .heads = 1};
  FlattenCase flatten(context, tiny, 1, 1);
  const FlattenArgs& args = flatten.args(0);
  FlattenArgs shorter = args;
  --shorter.k_out.shape[0], --shorter.v_out.shape[0];
  context.flatten(args, watch.stream());

  flatten::Plan plan;
  flatten::plan(args, context.multiprocessors(), plan);
  const LoadedKernel& loaded = backend->load(request_for(spec_line("flatten", plan.spec), backend->target()));
  const auto& kernel = dynamic_cast<const cuda::CudaKernel&>(loaded);
  const KernelFacts& facts = kernel.facts();
  cuda::LaunchAttribute early{};
  early.id = cuda::launch_early;
  early.value.early = 1;
  cuda::LaunchConfig config{plan.grid.x,
                            plan.grid.y,
                            plan.grid.z,
                            static_cast<unsigned>(facts.block),
                            1,
                            1,
                            static_cast<unsigned>(facts.dynamic_shared),
                            static_cast<cuda::StreamHandle>(watch.stream()),
                            &early,
                            facts.pdl ? 1u : 0u};
  void* parameters[] = {&plan.params};
  const cuda::Driver& driver = backend->device().driver();
  cuda::Current current(driver, backend->device().context());

  std::vector<double> ours, changing, bare;
  bool odd = false;
  for (int i = 0; i < bursts; ++i) {  // in turn, so that both meet the same clock speeds
    ours.push_back(microseconds_a_call([&] { context.flatten(args, watch.stream()); }));
    context.synchronise(watch.stream());
    changing.push_back(microseconds_a_call([&] { context.flatten((odd = !odd) ? shorter : args, watch.stream()); }));
    context.synchronise(watch.stream());
    bare.push_back(microseconds_a_call([&] {
      driver.check(driver.launch(&config, kernel.function(), parameters, nullptr), "cuLaunchKernelEx", "timing it");
    }));
    context.synchronise(watch.stream());
  }
  return {true, summarise(std::move(ours)), summarise(std::move(changing)), summarise(std::move(bare))};
}

}  // namespace pagejit::bench
