// What the demo found, as a table for people and as one JSON object for programs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/demo/serving.h"

namespace pagejit::demo {

struct KernelReport {
  std::string spec;
  std::string models;     // that launch it
  double compile_ms = 0;  // Spec → PTX, or → host code on the emulator
  double first_ms = 0;    // the first call as its caller sees it: compiling, the driver's assembler, loading
  double load_ms = 0;     // machine code → a function on the device
  double warm_ms = -1;    // Spec → loaded kernel from the disk cache, in a new context; −1: not measured
  double microseconds = 0, gbps = 0, copy_gbps = 0;
};

struct Report {
  std::string device, target;
  bool emulated = false, launch_only = false;
  std::vector<std::pair<Workload, Served>> models;
  std::vector<KernelReport> kernels;
  Statistics spent;            // of the whole run
  std::uint64_t launches = 0;  // of the steps

  int steps() const;
  int launched() const;
  int verified() const;
  std::uint64_t recompilations() const;
  std::string mismatch() const;
};

std::string as_table(const Report& report);
std::string as_json(const Report& report);

}  // namespace pagejit::demo
