// Where kernels run: a CUDA device, or the emulator. The host-facing library speaks to this only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/base/artifact.h"
#include "runtime/base/request.h"
#include "runtime/base/tensor_map.h"

namespace pagejit {

/// A CUstream as an integer-sized handle; null is the default stream. The emulator runs everything at once and ignores
/// it.
using Stream = void*;

struct Grid {
  std::uint32_t x = 1, y = 1, z = 1;
};

/// A kernel that is loaded and ready for this backend. Owned by the backend, valid as long as it; never moves.
class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  const KernelFacts& facts() const { return facts_; }
  const Request& request() const { return request_; }

 protected:
  KernelFacts facts_;
  Request request_;
};

/// Counters since the backend was made. All are totals of events, never gauges.
struct Statistics {
  std::uint64_t compiles = 0;     // Spec → PTX by the compiler (or → host code by the emulator)
  std::uint64_t assemblies = 0;   // PTX → cubin
  std::uint64_t memory_hits = 0;  // load() answered from the memory map
  std::uint64_t disk_hits = 0;    // load() answered from a file
  std::uint64_t launches = 0;
  double compile_ms = 0;
  double load_ms = 0;                 // time in the driver: modules from cubin or PTX
  std::uint64_t align_fallbacks = 0;  // a kernel of weaker alignment took the place of one that could not be had
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const std::string& target() const = 0;  // "sm_90a", "emulator"
  virtual std::string name() const = 0;           // "NVIDIA H200", "emulator"
  virtual int multiprocessors() const = 0;

  /// Memory map → disk → compiler. Thread-safe; each key is compiled once however many threads ask.
  /// Throws Error(miss | sealed) where it would have to be compiled and that is not allowed.
  virtual const LoadedKernel& load(const Request& request) = 0;
  /// The kernel where it can be had without compiling it, whatever is allowed; else null.
  virtual const LoadedKernel* load_cached(const Request& request) = 0;
  /// Counts and reports that `served`, of weaker alignment, is launched in the place of `wanted`.
  virtual void note_fallback(const Request& wanted, const LoadedKernel& served) = 0;
  /// Counts a launch that had to load its kernel first: the only kind that is no hit in memory.
  virtual void note_cold_launch() {}
  /// Warm-up is over: from now on a compile is a warning, or Error(sealed), as the backend was told.
  virtual void seal() = 0;
  /// One launch: facts().param_bytes at `params` are passed by value. No allocation, no lock, no synchronisation.
  virtual void launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) = 0;
  virtual bool capturing(Stream stream) = 0;
  /// The tensor as kernels of this backend take it. False if the copy engine cannot walk it, or there is none.
  virtual bool describe(const BoxedTensor&, TensorMap&) const { return false; }

  // Plain memory, for hosts that have no allocator of their own (the demo, the bench, tests).
  virtual void* allocate(std::size_t bytes, const char* label) = 0;  // contents count as uninitialised
  virtual void release(void* pointer) = 0;
  virtual void copy_in(void* device, const void* host, std::size_t bytes, Stream stream) = 0;
  virtual void copy_out(void* host, const void* device, std::size_t bytes, Stream stream) = 0;
  virtual void fill(void* device, unsigned char byte, std::size_t bytes, Stream stream) = 0;
  virtual void synchronise(Stream stream) = 0;

  virtual Statistics statistics() const = 0;
};

}  // namespace pagejit
