// One thing to time: its buffers on the device, and how it is launched.
#pragma once
#include <pagejit/context.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/device_memory.h"

namespace pagejit::bench {

class Workload {
 public:
  virtual ~Workload() = default;
  virtual void launch(Context& context, std::size_t set, Stream stream) = 0;
  virtual std::string spec(const Context& context) const = 0;
  /// Of one launch: each input read once, each output written once.
  virtual std::uint64_t bytes() const = 0;
  /// Multiplications and additions of one launch, where they are what counts.
  virtual double flops() const { return 0; }
};

/// What the options of the command line change in every case; 0 leaves a choice to pagejit.
struct Tuning {
  int threads = 0, unroll = 0, group = 0, tiles = 0;
  attend::Tuning attend;
  int spread = 1;  // more: tensors are views; see Maker
};

struct Case {
  std::string name;
  bool replay = false;          // small: timed as graph replays over buffers that do not fit into L2 together
  double least_of_copy = 0;     // the bar, as a fraction of the device's own copy; 0: none
  double most_us = 0;           // the bar, in microseconds; 0: none
  std::uint64_t set_bytes = 0;  // memory of one set of buffers, about
  /// `sets` sets of buffers, so that no launch finds in L2 what the one before it has left there.
  std::function<std::unique_ptr<Workload>(Context& context, int sets)> make;
  double least_of_read = 0;  // the bar, as a fraction of reading alone; 0: none
  double least_tflops = 0;   // the bar, in 10^12 operations a second; 0: none
  bool view = false;         // its tensors are not packed: they lie in twice as much memory
};

/// A call of Context with arguments that were made beforehand.
template <class Args>
class CallWorkload : public Workload {
 public:
  using Call = void (Context::*)(const Args&, Stream);
  explicit CallWorkload(Call call) : call_(call) {}
  void launch(Context& context, std::size_t set, Stream stream) override { (context.*call_)(args[set], stream); }
  std::string spec(const Context& context) const override { return context.spec_line(args[0]); }
  std::uint64_t bytes() const override { return counted; }

  std::vector<Args> args;  // one a set
  double flops() const override { return operations; }

  std::uint64_t counted = 0;
  double operations = 0;
  Buffers memory;

 private:
  Call call_;
};

// The cases of each family; on the emulator, shapes are small: there, a case only shows that it runs.
std::vector<Case> flatten_cases(const Tuning& tuning, bool emulated);
std::vector<Case> quantised_cases(const Tuning& tuning, bool emulated);  // flatten and gather
std::vector<Case> append_cases(const Tuning& tuning, bool emulated);
std::vector<Case> rope_cases(const Tuning& tuning, bool emulated);
std::vector<Case> attend_cases(const Tuning& tuning, bool emulated);
std::vector<Case> merge_cases(const Tuning& tuning, bool emulated);

}  // namespace pagejit::bench
