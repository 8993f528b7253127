#include "kernels/common/chip.h"

#include <utility>

namespace pagejit {

int shared_bytes_of(std::string_view target) {
  constexpr std::pair<std::string_view, int> kilobytes[] = {{"sm_80", 163},  {"sm_87", 163},  {"sm_90", 227},
                                                            {"sm_100", 227}, {"sm_103", 227}, {"emulator", 227}};
  if (target.ends_with('a') || target.ends_with('f')) target.remove_suffix(1);
  for (const auto& [name, size] : kilobytes)
    if (target == name) return size << 10;
  return 99 << 10;
}

}  // namespace pagejit
