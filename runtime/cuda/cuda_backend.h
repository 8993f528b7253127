// Kernels on one CUDA device.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/backend.h"
#include "runtime/base/once_map.h"
#include "runtime/cuda/assembler.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/module.h"
#include "runtime/engine.h"

namespace pagejit {

struct CudaOptions {
  int ordinal = 0;
  std::string target;                          // compile for this instead of the device's own target
  std::shared_ptr<const cuda::Driver> driver;  // null: the process's own
};

class CudaBackend : public Backend {
 public:
  /// Several backends, of one device or of several, may share an engine. Throws Error(absent | argument | driver |
  /// unsupported).
  explicit CudaBackend(std::shared_ptr<Engine> engine, CudaOptions options = {});
  ~CudaBackend() override;

  const std::string& target() const override { return target_; }
  std::string name() const override { return device_.name(); }
  int multiprocessors() const override { return device_.multiprocessors(); }

  const LoadedKernel& load(const Request& request) override;
  const LoadedKernel* load_cached(const Request& request) override;
  void note_fallback(const Request& wanted, const LoadedKernel& served) override;
  void note_cold_launch() override;
  void seal() override { engine_->seal(); }
  /// The kernel if it is loaded already: no lock, no file, no driver.
  const LoadedKernel* find(const Request& request) const;
  /// As load(), for a launch on `stream`. Throws Error(capture) where the kernel would have to be loaded while it
  /// captures.
  const LoadedKernel& load_on(const Request& request, Stream stream);
  void launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) override;
  bool capturing(Stream stream) override;
  bool describe(const BoxedTensor& tensor, TensorMap& out) const override;

  void* allocate(std::size_t bytes, const char* label) override;
  void release(void* pointer) override;
  /// Host memory that is page-locked must stay as it is until the stream has come that far; any other may change at
  /// once.
  void copy_in(void* device, const void* host, std::size_t bytes, Stream stream) override;
  /// Waits for the stream: the bytes are there when it returns.
  void copy_out(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void fill(void* device, unsigned char byte, std::size_t bytes, Stream stream) override;
  void synchronise(Stream stream) override;

  Statistics statistics() const override;
  const cuda::DeviceContext& device() const { return device_; }
  Engine& engine() { return *engine_; }

 private:
  struct Holder {
    std::unique_ptr<cuda::CudaKernel> kernel;
  };
  void report_memory_hits();
  std::unique_ptr<cuda::CudaKernel> make(const Request& request);
  std::unique_ptr<cuda::CudaKernel> put_on_device(const Request& request, const Artifact& artifact);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const cuda::Driver> driver_;
  cuda::DeviceContext device_;
  cuda::DriverAssembler assembler_;
  std::string target_;
  OnceMap<Holder> kernels_;
  std::atomic<std::uint64_t> memory_hits_ = 0, launches_ = 0, cold_launches_ = 0;
  std::mutex reporting_;
  std::uint64_t reported_hits_ = 0;
  std::atomic<std::int64_t> load_ns_ = 0;
};

/// A backend with an engine of its own, options from the environment.
std::unique_ptr<CudaBackend> open_cuda(std::shared_ptr<Compiler> compiler, CudaOptions options = {});

}  // namespace pagejit
