#include "runtime/base/artifact.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fields.h"

namespace pagejit {

std::string KernelFacts::text() const {
  std::vector<std::string> lines;
  for_each_field(*this, [&](std::string_view name, const auto& value, const auto&) {
    lines.push_back(fmt::format("{}={}\n", name, percent_escape(detail::print_value(value))));
  });
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

KernelFacts KernelFacts::parse(const std::string& text) {
  KernelFacts facts;
  std::vector<std::string_view> known = field_names<KernelFacts>();
  try {
    for (std::string_view line : split(text, '\n')) {
      auto [name, value] = split_name_value(line);
      // A later version may know more facts than we do; those are its own business.
      if (std::find(known.begin(), known.end(), name) == known.end()) continue;
      set_field(facts, name, percent_unescape(value));
    }
  } catch (const Error& e) {
    fail(Code::damaged, fmt::format("a kernel's facts cannot be read: {}", e.message()));
  }
  return facts;
}

}  // namespace pagejit
