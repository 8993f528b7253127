// The emulator as a device: kernels compiled to host code, run as a SIMT machine, every access checked.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "compiler/emitted.h"
#include "compiler/emulator/finding.h"
#include "runtime/backend.h"
#include "runtime/base/event.h"

namespace pagejit {

struct EmulatorOptions {
  bool throw_on_finding =
      true;               // launch() throws Error(internal) with the findings; else they wait for take_findings()
  int max_findings = 16;  // a launch is given up when it has so many
  std::uint64_t max_steps = std::uint64_t{1} << 28;  // accesses and meetings of one block's threads; more is a finding
  bool check_races = true;                           // about half of a launch's time
  bool seal_is_error = false;                        // what a compile after seal() is; else a warning
  EventHook on_event = {};                           // compiles and fallbacks: there is no cache
};

class EmulatorBackend final : public Backend {
 public:
  using Emit = std::function<Emitted(const Request&, Lowering&)>;
  explicit EmulatorBackend(Emit emit, EmulatorOptions options = {});
  ~EmulatorBackend() override;

  const std::string& target() const override;
  std::string name() const override { return "emulator"; }
  int multiprocessors() const override { return 4; }  // few, so that kernels that size their grid by it stay small

  const LoadedKernel& load(const Request& request) override;
  const LoadedKernel* load_cached(const Request& request) override;
  void note_fallback(const Request& wanted, const LoadedKernel& served) override;
  void seal() override;
  /// Returns when all is done. Throws Error(argument) for a grid that a driver would refuse.
  void launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) override;
  bool capturing(Stream) override { return false; }
  bool describe(const BoxedTensor& tensor, TensorMap& out) const override;

  void* allocate(std::size_t bytes, const char* label) override;
  void release(void* pointer) override;
  void copy_in(void* device, const void* host, std::size_t bytes, Stream stream) override;
  void copy_out(void* host, const void* device, std::size_t bytes, Stream stream) override;
  void fill(void* device, unsigned char byte, std::size_t bytes, Stream stream) override;
  void synchronise(Stream) override {}
  Statistics statistics() const override;

  /// Memory of the caller's own, all of it readable, until release(). It may be sparse. Not to overlap what is known.
  void adopt(void* pointer, std::size_t bytes, const char* label);
  /// Bytes that no kernel may read from now on, until unpoison() or a host's copy_in() or fill(). Writing is allowed.
  void poison(const void* pointer, std::size_t bytes);
  void unpoison(const void* pointer, std::size_t bytes);
  /// Bytes that count as never written.
  void forget(const void* pointer, std::size_t bytes);
  /// What launches found since the last call, where they do not throw.
  std::vector<Finding> take_findings();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace pagejit
