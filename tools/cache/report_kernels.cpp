#include <fmt/format.h>

#include <ctime>
#include <map>

#include "runtime/base/fields.h"
#include "runtime/base/text.h"
#include "tools/cache/charts.h"
#include "tools/cache/occupancy.h"
#include "tools/cache/print.h"
#include "tools/cache/report_page.h"

namespace pagejit::cache_tool {
namespace {

using Entries = std::vector<const Listed*>;
using Values = std::map<std::string, std::string>;

Values values_of(const Listed& l) {
  Values values{{"target", l.request.target}};
  for (auto& [name, value] : parse_words(l.request.spec_line).values) values[name] = value;
  return values;
}

/// What all of them have the same of.
Values common_to(const Entries& entries) {
  Values common = values_of(*entries.front());
  for (const Listed* l : entries) {
    Values own = values_of(*l);
    std::erase_if(common, [&](const auto& field) {
      auto mine = own.find(field.first);
      return mine == own.end() || mine->second != field.second;
    });
  }
  return common;
}

std::string chips(const Values& values, const Values& but_not = {}) {
  std::string html;
  for (const auto& [name, value] : values)
    if (!but_not.contains(name)) html += fmt::format("<code>{}={}</code> ", escaped(name), escaped(value));
  return html;
}

std::string cell(const char* name, const std::string& html, bool bad = false) {
  return fmt::format("<td data-name=\"{}\"{}>{}</td>", name, bad ? " class=\"bad\"" : "", html);
}

std::string occupancy_cell(const Listed& l) {
  std::optional<Occupancy> o = occupancy_of(l.facts, l.request.target);
  if (!o) return cell("occupancy", "–");
  return cell("occupancy", fmt::format("<span class=\"meter\"><i style=\"width:{0}%\"></i></span>{0} %"
                                       "<small>{1}</small>",
                                       o->percent, o->percent < 100 ? o->limiter : ""));
}

std::string row(const Listed& l, const Values& common, std::int64_t now) {
  std::string what = chips(values_of(l), common);
  if (what.empty()) what = "the only one ";
  std::string html =
      fmt::format("<tr><td>{}<small>{}{}</small></td>", what, hex64(l.request.key_id), l.pinned ? " · pinned" : "");
  html += cell("registers", known(l.facts.registers)) + cell("spills", known(l.spills()), l.spills() > 0) +
          cell("shared", bytes_text(static_cast<std::uint64_t>(l.shared()))) + occupancy_cell(l) +
          cell("size", bytes_text(l.at.bytes)) +
          cell("used", l.at.used > 0 ? age_text(std::max<std::int64_t>(0, now - l.at.used)) + " ago" : "–");
  return html + "</tr>\n";
}

std::string family(const std::string& name, const Entries& entries, bool open) {
  std::uint64_t bytes = 0;
  for (const Listed* l : entries) bytes += l->at.bytes;
  Values common = common_to(entries);
  std::string html = fmt::format("<details{}><summary>{} <span>{} kernel{}, {}</span></summary>\n", open ? " open" : "",
                                 escaped(name), entries.size(), entries.size() == 1 ? "" : "s", bytes_text(bytes));
  if (entries.size() > 1 && !common.empty()) html += "<p class=\"shared\">all: " + chips(common) + "</p>\n";
  html += "<table class=\"kernels\"><thead><tr>";
  for (const char* column : {"kernel", "registers", "spills", "shared", "occupancy", "size", "last use"})
    html += fmt::format("<th scope=\"col\">{}</th>", column);
  html += "</tr></thead><tbody>\n";
  std::int64_t now = std::time(nullptr);
  for (const Listed* l : entries) html += row(*l, entries.size() > 1 ? common : Values(), now);
  return html + "</tbody></table></details>\n";
}

}  // namespace

std::string report_kernels(const std::vector<Listed>& entries) {
  constexpr std::size_t most_open = 60;  // more than that are not read from top to bottom
  std::map<std::string, Entries> families;
  for (const Listed& l : entries) families[l.request.spec_line.substr(0, l.request.spec_line.find(' '))].push_back(&l);
  std::string html;
  for (const auto& [name, own] : families) html += family(name, own, entries.size() <= most_open);
  return entries.empty() ? "" : "<h2>Every kernel</h2>\n" + html;
}

}  // namespace pagejit::cache_tool
