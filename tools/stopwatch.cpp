#include "tools/stopwatch.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "runtime/cuda/timing.h"

namespace pagejit {

struct Stopwatch::Gpu {
  explicit Gpu(const cuda::DeviceContext& d) : device(d), stream(d), start(d), end(d) {}
  double microseconds(const std::function<void()>& work) {
    start.record(stream.get());
    work();
    end.record(stream.get());
    return 1000.0 * end.ms_since(start);
  }
  const cuda::DeviceContext& device;
  cuda::OwnStream stream;
  cuda::Mark start, end;
};

namespace {
double wall_microseconds(const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}
}  // namespace

Timing summarise(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  auto at = [&](double share) {
    return samples[static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1) + 0.5)];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

Stopwatch::Stopwatch(Context& context) : context_(context) {
  if (auto* backend = dynamic_cast<CudaBackend*>(&context.backend())) gpu_ = std::make_unique<Gpu>(backend->device());
}
Stopwatch::~Stopwatch() = default;

Stream Stopwatch::stream() const {
  return gpu_ ? gpu_->stream.get() : nullptr;
}

double Stopwatch::sample(const std::function<void()>& work) {
  return gpu_ ? gpu_->microseconds(work) : wall_microseconds(work);
}

Timing Stopwatch::time(int samples, int units, const std::function<void()>& work) {
  work();
  context_.synchronise(stream());
  std::vector<double> each;
  for (int i = 0; i < samples; ++i) each.push_back(sample(work) / units);
  return summarise(std::move(each));
}

void Stopwatch::warm_up(const std::array<std::function<void()>, 2>& work) {
  if (!gpu_) return;
  constexpr double enough = 200'000;  // microseconds
  for (double spent = 0; spent < enough;) {
    spent += wall_microseconds([&] {
      for (int i = 0; i < 10; ++i)
        for (const auto& one : work) one();
      context_.synchronise(stream());
    });
  }
}

Stopwatch::Pair Stopwatch::time_in_turn(int samples, int units, bool replay, const std::function<void()>& first,
                                        const std::function<void()>& second) {
  std::array<std::function<void()>, 2> work{first, second};
  std::array<std::unique_ptr<cuda::Replay>, 2> replays;
  for (std::size_t i = 0; i < 2; ++i) {
    work[i]();  // warms up, and loads what a capture must find loaded
    context_.synchronise(stream());
    if (!gpu_ || !replay) continue;
    replays[i] = std::make_unique<cuda::Replay>(gpu_->device, stream(), work[i]);
    work[i] = [this, graph = replays[i].get()] { graph->launch(stream()); };
    work[i]();
  }
  context_.synchronise(stream());
  warm_up(work);
  std::array<std::vector<double>, 2> each;
  for (int s = 0; s < samples; ++s)
    for (std::size_t i = 0; i < 2; ++i) {
      work[i]();  // untimed: what L2 still has to write back is then this work's own, not the other's
      each[i].push_back(sample(work[i]) / units);
    }
  return {summarise(std::move(each[0])), summarise(std::move(each[1]))};
}

void Stopwatch::copy(void* to, const void* from, std::size_t bytes) {
  if (gpu_) return cuda::copy_on_device(gpu_->device, to, from, bytes, stream());
  std::memcpy(to, from, bytes);  // the emulator's memory is the host's
}

std::size_t Stopwatch::l2_bytes() const {
  return gpu_ ? static_cast<std::size_t>(gpu_->device.l2_bytes()) : 0;
}
std::size_t Stopwatch::free_bytes() const {
  return gpu_ ? cuda::free_bytes(gpu_->device) : std::size_t{1} << 30;
}

}  // namespace pagejit
