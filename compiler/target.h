// The chips that kernels are compiled for: one row each, and questions instead of #ifdefs.
#pragma once
#include <span>
#include <string_view>

namespace pagejit {

struct Target {
  std::string_view name;       // "sm_90a"; "emulator"
  int sm = 0;                  // 90; the emulator answers as the newest
  bool arch_specific = false;  // the suffix a
  int isa = 0;                 // the lowest PTX ISA that knows the chip: 80 for PTX 8.0

  bool is_emulator() const { return name == "emulator"; }
  bool has_pdl() const { return sm >= 90; }
  bool has_fp8_convert() const { return sm >= 89; }
  bool has_wgmma() const { return is_emulator() || (sm == 90 && arch_specific); }
};

/// Every target that can be compiled for, the emulator last.
std::span<const Target> targets();
/// Throws Error(unsupported) that lists the known names.
const Target& target(std::string_view name);

}  // namespace pagejit
