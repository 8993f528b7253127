// Every environment variable, read once and in one place. settings.def has the rows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pagejit {

struct Settings {
#define PJ_SETTING(member, name, fallback, values, is_path, meaning) std::string member = fallback;
#include "runtime/base/settings.def"
#undef PJ_SETTING

  std::vector<std::string> warnings;  // a line each: unknown names, values that were not taken

  /// From "NAME=value" texts. A name or value that is not known costs a warning and leaves the default.
  static Settings read(const std::vector<std::string>& environment, bool ignore_paths = false);
  /// The process's own environment, read at the first call; warns then, and sets the log level.
  static const Settings& process();
};

struct SettingRow {
  std::string_view member, name, fallback, values, meaning;
  bool is_path;
};
const std::vector<SettingRow>& setting_rows();

/// The `name=value` of one variable; for tools that explain where a setting comes from.
std::string value_of(const Settings& settings, const SettingRow& row);

}  // namespace pagejit
