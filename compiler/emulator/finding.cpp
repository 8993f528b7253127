#include "compiler/emulator/finding.h"

#include <fmt/format.h>

namespace pagejit {

std::string_view finding_name(Finding::Kind kind) {
  constexpr std::string_view names[] = {
      "out of bounds",     "misaligned access", "read of uninitialised bytes", "read of poisoned bytes", "race",
      "divergent barrier", "endless block"};
  return names[static_cast<int>(kind)];
}

std::string Finding::text() const {
  std::string text = fmt::format("{} in kernel '{}', block ({}, {}, {}), thread {}", finding_name(kind), kernel,
                                 block[0], block[1], block[2], thread);
  if (!tensor.empty())
    text += fmt::format(": {} of {} bytes at {}[{}], byte {} from its start", write ? "a write" : "a read", bytes,
                        tensor, index, offset);
  return detail.empty() ? text : text + "; " + detail;
}

}  // namespace pagejit
