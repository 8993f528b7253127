// Times work on a context's device: events and graph replays on a GPU, the wall clock on the emulator.
#pragma once
#include <pagejit/context.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace pagejit {

/// Microseconds.
struct Timing {
  double median = 0, low = 0, high = 0;  // low and high: the 10th and 90th of 100
};
Timing summarise(std::vector<double> samples);

class Stopwatch {
 public:
  explicit Stopwatch(Context& context);
  ~Stopwatch();

  /// What work is put on; never the default stream of a GPU.
  Stream stream() const;
  /// `work` enqueues `units` pieces of work; the answer is for one piece. Runs it once more beforehand, to warm up.
  Timing time(int samples, int units, const std::function<void()>& work);

  struct Pair {
    Timing first, second;
  };
  /// Two kinds of work in turn, so that both meet the same clocks and temperatures. `replay`: as replays of a graph,
  /// which leaves the host's part out; on the emulator the same as without.
  Pair time_in_turn(int samples, int units, bool replay, const std::function<void()>& first,
                    const std::function<void()>& second);

  /// The device's own copy, the ceiling that kernels are compared with.
  void copy(void* to, const void* from, std::size_t bytes);
  std::size_t l2_bytes() const;    // 0 on the emulator
  std::size_t free_bytes() const;  // of device memory; a guess on the emulator

 private:
  struct Gpu;
  double sample(const std::function<void()>& work);
  /// Both kinds of work until clocks have settled.
  void warm_up(const std::array<std::function<void()>, 2>& work);
  Context& context_;
  std::unique_ptr<Gpu> gpu_;
};

}  // namespace pagejit
