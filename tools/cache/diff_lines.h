// Two texts line by line.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pagejit::cache_tool {

struct DiffLine {
  char sign;  // ' ' in both, '-' in the first only, '+' in the second only
  std::string_view text;
};

/// The least changes that lead from `a` to `b`; where those are more than some thousand, all of what lies between the
/// first and the last difference. The lines are those of the texts.
std::vector<DiffLine> diff_lines(std::string_view a, std::string_view b);

/// The changes with three lines before and after each; "@@" where lines are left out. Empty where nothing differs.
std::string changes_text(const std::vector<DiffLine>& lines);

}  // namespace pagejit::cache_tool
