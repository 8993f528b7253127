// Charts as inline SVG. Colours are the page's CSS variables, so that they are right in light and in dark.
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

/// How many of `values` lie in each of the steps up to the greatest.
std::vector<Bar> histogram(const std::vector<int>& values, int step);

}  // namespace pagejit::cache_tool
