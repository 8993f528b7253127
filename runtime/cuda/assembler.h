// PTX to machine code through the driver's own assembler.
#pragma once
#include <string>

#include "runtime/assembler.h"
#include "runtime/cuda/device.h"

namespace pagejit::cuda {

class DriverAssembler : public Assembler {
 public:
  explicit DriverAssembler(const DeviceContext& device) : device_(device) {}  // which must outlive it
  std::string producer() const override;
  std::string chip() const override { return device_.chip(); }
  int driver() const override { return device_.driver().version(); }
  void assemble(Artifact& artifact) override;

 private:
  const DeviceContext& device_;
};

/// Reads registers, spills and the like from the assembler's report ("Used 24 registers", "8 bytes spill stores").
void read_report(const std::string& log, KernelFacts& facts);

}  // namespace pagejit::cuda
