#include "runtime/base/settings.h"

#include <fmt/format.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/log.h"
#include "runtime/base/text.h"

namespace pagejit {
namespace {
constexpr std::string_view ours = "PAGEJIT_";

std::string* slot(Settings& s, std::string_view member) {
#define PJ_SETTING(id, name, fallback, values, is_path, meaning) \
  if (member == #id) return &s.id;
#include "runtime/base/settings.def"
#undef PJ_SETTING
  return nullptr;
}

bool allowed(const SettingRow& row, const std::string& value) {
  if (row.values.empty()) return true;
  if (row.values == "<count>") return parse_count(value).has_value();
  if (row.values == "<bytes>") return parse_bytes(value).has_value();
  std::vector<std::string_view> words = split(row.values, ' ');
  return std::find(words.begin(), words.end(), value) != words.end();
}

std::string expected(const SettingRow& row) {
  if (row.values == "<count>") return "a decimal number";
  if (row.values == "<bytes>") return "a number of bytes such as 2GiB";
  return "one of " + join(split(row.values, ' '), ", ");
}

void take(Settings& s, const SettingRow& row, const std::string& value) {
  if (allowed(row, value)) {
    *slot(s, row.member) = value;
    return;
  }
  std::string meant = nearest(value, split(row.values, ' '));
  s.warnings.push_back(fmt::format("{}={} is not {}; {}it stays {}", row.name, value, expected(row),
                                   meant.empty() ? "" : fmt::format("did you mean {}? ", meant), row.fallback));
}

void unknown(Settings& s, const std::string& name) {
  std::vector<std::string_view> known;
  for (const SettingRow& row : setting_rows())
    if (row.name.starts_with(ours)) known.push_back(row.name);
  std::string meant = nearest(name, known);
  s.warnings.push_back(fmt::format("{} is not a variable of pagejit{}", name,
                                   meant.empty() ? "" : fmt::format("; the nearest is {}", meant)));
}
}  // namespace

const std::vector<SettingRow>& setting_rows() {
  static const std::vector<SettingRow> rows{
#define PJ_SETTING(member, name, fallback, values, is_path, meaning) \
  {#member, name, fallback, values, meaning, is_path},
#include "runtime/base/settings.def"
#undef PJ_SETTING
  };
  return rows;
}

std::string value_of(const Settings& settings, const SettingRow& row) {
  Settings copy = settings;
  return *slot(copy, row.member);
}

Settings Settings::read(const std::vector<std::string>& environment, bool ignore_paths) {
  Settings s;
  for (const std::string& entry : environment) {
    std::size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    std::string name = entry.substr(0, equals), value = entry.substr(equals + 1);
    const auto& rows = setting_rows();
    auto row = std::find_if(rows.begin(), rows.end(), [&](const SettingRow& r) { return r.name == name; });
    if (row == rows.end()) {
      if (name.starts_with(ours)) unknown(s, name);
    } else if (!value.empty() && !(ignore_paths && row->is_path)) {
      take(s, *row, value);
    }
  }
  return s;
}

const Settings& Settings::process() {
  static const Settings* settings = [] {
    std::vector<std::string> environment;
    for (char** entry = environ; entry && *entry; ++entry) environment.emplace_back(*entry);
    bool set_id = getauxval(AT_SECURE) != 0;  // a path from the caller must not steer a privileged process
    auto* s = new Settings(read(environment, set_id));
    constexpr std::string_view levels[] = {"off", "error", "warn", "info", "debug"};
    set_log_level(static_cast<LogLevel>(std::find(std::begin(levels), std::end(levels), s->log) - std::begin(levels)));
    log_to(s->log_file, s->log_format == "json");
    for (const std::string& text : s->warnings) warn_once(text, text);
    return s;
  }();
  return *settings;
}

}  // namespace pagejit
