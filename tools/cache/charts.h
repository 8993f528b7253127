// Charts as HTML that a page's style draws: text keeps its size on a narrow screen, and whoever has the page read to
// them hears a table. Classes and variables are report_style.cpp's.
#pragma once
#include <string>
#include <vector>

namespace pagejit::cache_tool {

/// What a page may hold of a text that came from elsewhere.
std::string escaped(std::string_view text);

struct Bar {
  std::string label;
  double value = 0;
  std::string shown;  // the value, for people
};
/// Horizontal bars, each with its label before it and its value behind it; a sentence where there are none.
std::string bar_chart(const std::string& title, const std::vector<Bar>& bars);
/// How many of some values lie in each step from the least to the greatest.
struct Steps {
  int first = 0, width = 1;  // the first step is first … first + width − 1
  std::vector<int> counts;
};
/// Steps are `width` wide, or doubled until there are at most 12. No value is negative.
Steps steps_of(const std::vector<int>& values, int width);
/// An upright bar a step; `unit` is what the values are, and `none` is said where there are none.
std::string column_chart(const std::string& title, const Steps& steps, const std::string& unit,
                         const std::string& none);

/// A table of counts, the darker the more; rows and columns by name.
struct Count {
  std::string row, column;
  int count = 0;
};
std::string heat_table(const std::string& title, const std::vector<Count>& counts);

}  // namespace pagejit::cache_tool
