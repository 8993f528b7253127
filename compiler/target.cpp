#include "compiler/target.h"

#include <fmt/format.h>

#include "runtime/base/error.h"

namespace pagejit {
namespace {
// sm_89 … as of the PTX ISA's release notes: the first version whose .target takes the name. Lines without
// suffix are what an unknown newer chip is given; the driver assembles them.
constexpr Target rows[] = {
    {"sm_80", 80, false, 70},   {"sm_86", 86, false, 71},   {"sm_89", 89, false, 78},   {"sm_90", 90, false, 78},
    {"sm_90a", 90, true, 80},   {"sm_100", 100, false, 86}, {"sm_100a", 100, true, 86}, {"sm_103", 103, false, 88},
    {"sm_103a", 103, true, 88}, {"sm_120", 120, false, 87}, {"sm_120a", 120, true, 87}, {"emulator", 120, false, 0},
};
}  // namespace

std::span<const Target> targets() {
  return rows;
}

const Target& target(std::string_view name) {
  std::string known;
  for (const Target& t : rows) {
    if (t.name == name) return t;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", t.name);
  }
  fail(Code::unsupported, fmt::format("'{}' is not a target that pagejit compiles for", name), {{"known", known}});
}

}  // namespace pagejit
