// A flatten of given shape with everything it needs on the device: what the demo and the bench measure.
#pragma once
#include <pagejit/pagejit.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tools/device_memory.h"

namespace pagejit {

struct FlattenShape {
  int batch = 32;
  int length = 8192;  // about: each sequence ends somewhere in its last page
  int page = 64;
  int heads = 8;
  int dim_k = 128, dim_v = 128;
  bool joint = false;  // only K is moved
  Elem elem = Elem::bf16;
  FlattenArgs::Layout layout = FlattenArgs::Layout::nhd;
  FlattenArgs::Out out = FlattenArgs::Out::shd;
  bool exact = false;    // each sequence is exactly `length` long
  bool settled = false;  // FlattenArgs::settled
  flatten::Tuning tuning = {};
  int page_stride_layers = 1;  // more: a per-layer view of a pool that so many layers share
  int out_spread = 1;          // more: each output is one of so many that alternate along their first axis
};

class FlattenCase {
 public:
  /// `copies` sets of buffers, so that no launch finds in L2 what the one before it has left there.
  FlattenCase(Context& context, const FlattenShape& shape, int copies, std::uint64_t seed);

  const FlattenArgs& args(int copy) const { return args_[static_cast<std::size_t>(copy)]; }
  int copies() const { return static_cast<int>(args_.size()); }
  /// Each cache row once, each output row once (the tail is empty), lengths and page table once.
  std::uint64_t bytes() const { return bytes_; }
  /// Of one set: cache rows in, output rows out.
  std::uint64_t payload() const { return payload_; }

 private:
  void add_copy(Context& context, const FlattenShape& shape, const std::vector<std::int32_t>& lengths,
                std::uint64_t seed);

  std::vector<DeviceMemory> memory_;
  std::vector<FlattenArgs> args_;
  std::uint64_t bytes_ = 0, payload_ = 0;
};

/// The memory that one set of buffers takes, about.
std::uint64_t footprint(const FlattenShape& shape);

}  // namespace pagejit
