// A backend that launches nothing: it counts, and remembers the last launch. For tests of the host's half alone.
#pragma once
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "kernels/flatten/spec.h"
#include "runtime/backend.h"

namespace pagejit::tests {

class RecordingBackend : public Backend {
 public:
  struct Kernel : LoadedKernel {
    explicit Kernel(const Request& r) {
      request_ = r;
      facts_.param_bytes = sizeof(flatten::Params);
    }
  };

  const std::string& target() const override { return target_; }
  std::string name() const override { return "recorder"; }
  int multiprocessors() const override { return 132; }

  const LoadedKernel& load(const Request& request) override {
    std::lock_guard lock(mutex_);
    auto& kernel = kernels_[request.key_text];
    if (!kernel) {
      kernel = std::make_unique<Kernel>(request);
      ++compiles;
    }
    return *kernel;
  }
  const LoadedKernel* load_cached(const Request& request) override {
    std::lock_guard lock(mutex_);
    auto known = kernels_.find(request.key_text);
    return known == kernels_.end() ? nullptr : known->second.get();
  }
  void note_fallback(const Request&, const LoadedKernel&) override { ++fallbacks; }
  void note_cold_launch() override { ++cold_launches; }
  void seal() override {}
  void launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) override {
    ++launches;
    if (!remember) return;
    last_kernel = &kernel;
    last_grid = grid;
    last_stream = stream;
    std::memcpy(&last_params, params, sizeof(last_params));
  }
  bool capturing(Stream) override { return is_capturing; }

  void* allocate(std::size_t bytes, const char*) override { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
  void release(void* pointer) override { std::free(pointer); }
  void copy_in(void* device, const void* host, std::size_t bytes, Stream) override { std::memcpy(device, host, bytes); }
  void copy_out(void* host, const void* device, std::size_t bytes, Stream) override {
    std::memcpy(host, device, bytes);
  }
  void fill(void* device, unsigned char byte, std::size_t bytes, Stream) override { std::memset(device, byte, bytes); }
  void synchronise(Stream) override {}
  Statistics statistics() const override {
    Statistics s;
    s.compiles = compiles;
    s.launches = launches;
    return s;
  }

  std::atomic<std::uint64_t> compiles = 0, launches = 0, fallbacks = 0, cold_launches = 0;
  bool is_capturing = false, remember = true;
  const LoadedKernel* last_kernel = nullptr;
  Grid last_grid;
  Stream last_stream = nullptr;
  flatten::Params last_params{};

 private:
  std::string target_ = "sm_90a";
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Kernel>> kernels_;
};

}  // namespace pagejit::tests
