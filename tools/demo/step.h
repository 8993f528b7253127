// One step of the server: a batch, its page table, its output; and whether the output is what it must be.
#pragma once
#include <pagejit/pagejit.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tools/demo/paged_cache.h"
#include "tools/demo/sequences.h"
#include "tools/device_memory.h"

namespace pagejit::demo {

/// All that changes from step to step.
struct Step {
  std::vector<const Sequence*> batch;
  std::int64_t out_rows = 0;  // tokens of the batch and a random tail
  std::int64_t columns = 0;   // of the page table
  FlattenArgs::Out out = FlattenArgs::Out::shd;
};
Step random_step(Sequences& sequences, std::mt19937_64& random);

/// The device buffers that all steps of one model use.
class StepBuffers {
 public:
  StepBuffers(Context& context, const TokenShape& shape, int page, Limits limits);

  /// Puts lengths and page table on the device, fills the outputs with NaN, and says what to launch.
  FlattenArgs prepare(const Step& step, const PagedCache& cache, FlattenArgs::Layout layout);
  /// Copies the outputs back and compares every byte; the first difference in words, or nothing.
  std::optional<std::string> verify(const Step& step);

 private:
  std::optional<std::string> verify_one(const Step& step, const char* name, const DeviceMemory& out, int dim,
                                        std::vector<std::byte> Sequence::*tokens);
  Tensor output(const Step& step, const DeviceMemory& out, int dim) const;

  Context& context_;
  TokenShape shape_;
  int page_;
  DeviceMemory table_, lengths_, k_out_, v_out_;
  std::vector<std::byte> host_;
};

}  // namespace pagejit::demo
