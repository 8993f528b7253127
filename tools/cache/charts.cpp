#include "tools/cache/charts.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagejit::cache_tool {
namespace {
constexpr int label_width = 150, bar_width = 300, value_width = 90, row = 22, bar_height = 14;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string bar_chart(const std::string& title, const std::vector<Bar>& bars) {
  std::string html = fmt::format("<figure><figcaption>{}</figcaption>", escaped(title));
  if (bars.empty()) return html + "<p class=\"none\">nothing is known of this</p></figure>\n";
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.value);
  html += fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
                      label_width + bar_width + value_width, row * static_cast<int>(bars.size()), escaped(title));
  int y = 0;
  for (const Bar& bar : bars) {
    double width = most > 0 ? std::max(1.0, bar_width * bar.value / most) : 1;
    html += fmt::format("<g><title>{0}: {1}</title><text class=\"label\" x=\"{2}\" y=\"{3}\">{0}</text>",
                        escaped(bar.label), escaped(bar.shown), label_width - 8, y + 15);
    html += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"2\"/>", label_width, y + 4, width,
                        bar_height);
    html +=
        fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text></g>", label_width + width + 6, y + 15, escaped(bar.shown));
    y += row;
  }
  return html + "</svg></figure>\n";
}

std::vector<Bar> histogram(const std::vector<int>& values, int step) {
  if (values.empty()) return {};
  int most = *std::max_element(values.begin(), values.end());
  std::vector<Bar> bars;
  for (int low = 0; low <= most; low += step) bars.push_back({fmt::format("{}–{}", low, low + step - 1), 0, ""});
  for (int value : values) ++bars[static_cast<std::size_t>(value / step)].value;
  for (Bar& bar : bars) bar.shown = fmt::format("{:.0f}", bar.value);
  return bars;
}

}  // namespace pagejit::cache_tool
