#include "tools/cache/print.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "runtime/base/text.h"
#include "tools/cli.h"

namespace pagejit::cache_tool {
namespace {
constexpr int schema = 1;

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr Unit units[] = {{"w", 7 * 86400}, {"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
}  // namespace

void print_json(const Json& object) {
  Json whole{{"schema", schema}};
  whole.update(object);
  fmt::print("{}\n", whole.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string known(int value) {
  return value < 0 ? "–" : std::to_string(value);
}

Json known_json(int value) {
  return value < 0 ? Json() : Json(value);
}

std::string bytes_text(std::uint64_t bytes) {
  auto value = static_cast<double>(bytes);
  for (const char* unit : {"B", "KiB", "MiB"}) {
    if (value < 1024) return fmt::format("{:.{}f} {}", value, *unit == 'B' ? 0 : 1, unit);
    value /= 1024;
  }
  return fmt::format("{:.1f} GiB", value);
}

std::string time_text(std::int64_t seconds) {
  return seconds == 0 ? "–" : fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string age_text(std::int64_t seconds) {
  for (const Unit& unit : units)
    if (unit.name != "w" && seconds >= unit.seconds) return fmt::format("{} {}", seconds / unit.seconds, unit.name);
  return "0 s";
}

std::string indented(std::string_view heading, std::string_view lines) {
  std::string text = fmt::format("{}\n", heading);
  for (std::string_view line : split(lines, '\n')) text += fmt::format("  {}\n", line);
  return text;
}

Json entry_json(const Listed& l) {
  return {{"key", hex64(l.request.key_id)},
          {"spec_id", hex64(l.request.spec_id)},
          {"spec", l.request.spec_line},
          {"target", l.request.target},
          {"registers", known_json(l.facts.registers)},
          {"spills", known_json(l.spills())},
          {"shared", l.shared()},
          {"bytes", l.at.bytes},
          {"last_use", l.at.used == 0 ? Json() : Json(l.at.used)},
          {"pinned", l.pinned},
          {"file", l.at.name}};
}

Json damage_json(const std::vector<Damage>& damaged) {
  Json all = Json::array();
  for (const Damage& d : damaged) all.push_back({{"file", d.at.name}, {"reason", d.reason}});
  return all;
}

int complain(const std::vector<Damage>& damaged) {
  int code = 0;
  for (const Damage& d : damaged) {
    fmt::print(stderr, "damaged  {}  {}\n", d.at.name, d.reason);
    code = cli::worse(code, cli::exit_code(d.code));
  }
  return code;
}

std::int64_t parse_duration(const std::string& text) {
  std::size_t digits = text.find_first_not_of("0123456789");
  std::string_view unit = digits == std::string::npos ? "" : std::string_view(text).substr(digits);
  std::optional<std::uint64_t> count = parse_count(text.substr(0, digits));
  constexpr std::uint64_t most = 1'000'000'000;  // of weeks too, that is no overflow
  for (const Unit& u : units)
    if (u.name == unit && count && *count <= most) return static_cast<std::int64_t>(*count) * u.seconds;
  fail(Code::argument, fmt::format("'{}' is no length of time", text),
       {{"expected", "such as 90s, 30min, 12h, 7d, 2w"}});
}

}  // namespace pagejit::cache_tool
