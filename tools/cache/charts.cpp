#include "tools/cache/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace pagejit::cache_tool {
namespace {

double greatest(const std::vector<Bar>& bars) {
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.value);
  return most;
}

/// A bar's length in percent; what is there at all can be seen.
std::string percent(double value, double most) {
  return value > 0 ? fmt::format("{:.1f}%", std::max(1.0, 100 * value / most)) : "0";
}

std::string figure(const std::string& title, const std::string& content) {
  return fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", escaped(title), content);
}

std::string sentence(const std::string& text) {
  return fmt::format("<p class=\"none\">{}</p>", escaped(text));
}

}  // namespace

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
  double most = greatest(bars);
  if (most <= 0) return figure(title, sentence("None so far."));
  std::string rows;
  for (const Bar& bar : bars)
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td><i style=\"width:{}\"></i></td><td>{}</td></tr>\n",
                        escaped(bar.label), percent(bar.value, most), escaped(bar.shown));
  return figure(title, fmt::format("<table class=\"bars\">{}</table>", rows));
}

std::string column_chart(const std::string& title, const Steps& steps, const std::string& unit,
                         const std::string& none) {
  if (steps.counts.empty()) return figure(title, sentence(none));
  int most = *std::max_element(steps.counts.begin(), steps.counts.end()), at = steps.first;
  std::string columns, example;
  if (steps.width > 1) example = fmt::format("; {} stands for {} to {}", at, at, at + steps.width - 1);
  for (int count : steps.counts) {
    columns += fmt::format("<li><span>{}</span><i style=\"--part:{:.3f}\"></i><b>{}</b></li>\n",
                           count > 0 ? std::to_string(count) : "", double(count) / most, at);
    at += steps.width;
  }
  return figure(
      title, fmt::format("<ol class=\"columns\">{}</ol><p class=\"unit\">{}{}</p>", columns, escaped(unit), example));
}

Steps steps_of(const std::vector<int>& values, int width) {
  if (values.empty()) return {};
  constexpr int most_steps = 12;
  auto [least, most] = std::minmax_element(values.begin(), values.end());
  while (*most / width - *least / width >= most_steps) width *= 2;
  int first = *least / width;
  Steps steps{first * width, width, std::vector<int>(static_cast<std::size_t>(*most / width - first + 1))};
  for (int value : values) ++steps.counts[static_cast<std::size_t>(value / width - first)];
  return steps;
}

std::string heat_table(const std::string& title, const std::vector<Count>& counts) {
  std::set<std::string> rows, columns;
  std::map<std::pair<std::string, std::string>, int> cells;
  int most = 1;
  for (const Count& c : counts) {
    rows.insert(c.row);
    columns.insert(c.column);
    int& cell = cells[{c.row, c.column}];
    most = std::max(most, cell += c.count);
  }
  if (cells.empty()) return figure(title, sentence("None so far."));
  std::string html = "<div class=\"scroll\"><table class=\"heat\"><thead><tr><td></td>";
  for (const std::string& column : columns) html += fmt::format("<th scope=\"col\">{}</th>", escaped(column));
  html += "</tr></thead><tbody>\n";
  for (const std::string& row : rows) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(row));
    for (const std::string& column : columns) {
      auto cell = cells.find({row, column});
      html += cell == cells.end()
                  ? "<td>–</td>"
                  : fmt::format("<td style=\"--heat:{:.2f}\">{}</td>", 0.08 + 0.32 * cell->second / most, cell->second);
    }
    html += "</tr>\n";
  }
  return figure(title, html + "</tbody></table></div>");
}

}  // namespace pagejit::cache_tool
