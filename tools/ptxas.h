// NVIDIA's assembler as a program: PTX to machine code where there is no driver.
#pragma once
#include <atomic>
#include <chrono>
#include <string>

#include "runtime/assembler.h"
#include "runtime/base/settings.h"

namespace pagejit {

struct PtxasProgram {
  std::string file;     // empty: there is none
  std::string version;  // "13.0.88"
  std::string path;     // PATH for what it may start itself
  std::chrono::milliseconds limit{120'000};

  explicit operator bool() const { return !file.empty(); }
};

/// PAGEJIT_PTXAS, else the one on PATH, else /usr/local/cuda/bin's. With PAGEJIT_ASSEMBLER=driver none. Throws
/// Error(absent) where the one that was asked for is absent or is no ptxas.
PtxasProgram find_ptxas(const Settings& settings);

/// What `ptxas --version` says, asked once for a file as long as it does not change. Throws Error(absent).
std::string ptxas_version(const std::string& file, const std::string& path);

/// "9.0" for sm_90 and sm_90a: the chip on which machine code for a target runs.
std::string chip_of(const std::string& target);

/// 13000 for "13.0.88": what it makes runs on drivers of its own release and later ones. 0 for what is no version.
int ptxas_release(const std::string& version);

class Ptxas : public Assembler {
 public:
  /// `stop` ends what is running, and what is asked for afterwards: Error(internal).
  Ptxas(PtxasProgram program, std::string target, const std::atomic<bool>* stop = nullptr)
      : program_(std::move(program)), target_(std::move(target)), stop_(stop) {}

  std::string producer() const override;
  std::string chip() const override { return chip_of(target_); }
  int driver() const override;
  /// Throws Error(compile | too_new | deadline | absent).
  void assemble(Artifact& artifact) override;

 private:
  PtxasProgram program_;
  std::string target_;
  const std::atomic<bool>* stop_;
};

}  // namespace pagejit
