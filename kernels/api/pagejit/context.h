// A device with its kernels: what a host program keeps as long as it launches anything.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/append/args.h"
#include "kernels/attend/args.h"
#include "kernels/flatten/args.h"
#include "kernels/gather/args.h"
#include "kernels/indices/args.h"
#include "kernels/merge/args.h"
#include "kernels/rope/args.h"
#include "runtime/backend.h"
#include "runtime/base/event.h"

namespace pagejit {

struct Options {
  std::string device = "auto";  // "cuda", "cuda:N", "emulator"; auto: the first GPU, else the emulator
  std::string cache_dir;        // of kernels; empty: PAGEJIT_CACHE_DIR, else the user's cache folder
  std::string mode;             // "auto", "require" (never compiles), "rebuild"; empty: PAGEJIT_MODE, else auto
  std::string cache_ro = {};    // colon-separated folders and bundles, only read; empty: PAGEJIT_CACHE_RO
  std::string seal = {};        // a compile after seal(): "warn" or "error"; empty: PAGEJIT_SEAL, else warn
  EventHook on_event = {};      // told what happens to kernels before they are launched (runtime/base/event.h)
};

/// Thread-safe: any number of threads may launch, prepare and ask at once. Every method throws pagejit::Error.
class Context {
 public:
  explicit Context(const Options& options = {});
  explicit Context(std::unique_ptr<Backend> backend);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // For each row of kernels/api/calls.def, such as PJ_CALL(flatten, FlattenArgs, flatten):
  //
  // name       Enqueues one launch on `stream` (a CUstream; null is the default one), or none if there is nothing to
  // do.
  //            An Error leaves every buffer untouched. The first call of each Spec loads its kernel, from the cache or
  //            by compiling it; later calls take no lock and no memory. A stream that captures needs its kernels
  //            prepared before.
  // prepare    Loads the kernel that name(args) would launch, and launches nothing. The pointers count: their alignment
  //            decides.
  // spec_line  The spec line of the kernel that name(args) would launch.
#define PJ_CALL(name, Args, family)                     \
  void name(const Args& args, Stream stream = nullptr); \
  void prepare(const Args& args);                       \
  std::string spec_line(const Args& args) const;
#include "kernels/api/calls.def"
#undef PJ_CALL

  /// Attention over a paged cache: two launches, the second of which puts the parts together that the keys were split
  /// into. prepare() loads both; spec_line() is the first one's, second_spec_line() the other's, empty where one part
  /// does it all.
  void decode_attention(const DecodeArgs& args, Stream stream = nullptr);
  void prepare(const DecodeArgs& args);
  std::string spec_line(const DecodeArgs& args) const;
  std::string second_spec_line(const DecodeArgs& args) const;
  /// Bytes of workspace that the call needs: of its shapes and the device, not of lengths. args.workspace is not looked
  /// at.
  std::size_t decode_workspace(const DecodeArgs& args) const;

  /// Loads the kernel of a spec line, as pagejit-precompile prints them.
  void prepare(std::string_view spec_line);

  /// Warm-up is over: from now on each compile is a warning or, with Options::seal "error", Error(sealed), unless a
  /// kernel of weaker alignment is there, which then serves. Hits go on as before. For good.
  void seal();

  const std::string& target() const;  // "sm_90a", "emulator"
  std::string device_name() const;    // "NVIDIA H200", "emulator"
  int multiprocessors() const;
  bool emulated() const;
  Statistics statistics() const;

  // Memory of the device, for hosts that have no allocator of their own.
  void* allocate(std::size_t bytes, const char* label = "buffer");
  void release(void* memory);
  void copy_in(void* device, const void* host, std::size_t bytes, Stream stream = nullptr);
  void copy_out(void* host, const void* device, std::size_t bytes, Stream stream = nullptr);
  void fill(void* device, unsigned char byte, std::size_t bytes, Stream stream = nullptr);
  void synchronise(Stream stream = nullptr);

  Backend& backend();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace pagejit
