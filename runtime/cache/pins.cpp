#include "runtime/cache/pins.h"

#include <cerrno>
#include <cstring>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/file.h"
#include "runtime/cache/lock.h"

namespace pagejit::cache {
namespace {
constexpr std::string_view hex = "0123456789abcdef";
constexpr std::size_t id_digits = 16;

bool is_id(std::string_view text) {
  return text.size() == id_digits && text.find_first_not_of(hex) == std::string_view::npos;
}

bool is_entry_name(std::string_view text) {
  return text.size() == 3 * id_digits + 5 && text.ends_with(".pj") && is_id(text.substr(0, id_digits)) &&
         is_id(text.substr(id_digits + 1, id_digits)) && is_id(text.substr(2 * id_digits + 2, id_digits));
}

template <class Change>
bool change_pins(int folder, Change change) {
  ByteLock lock(folder, pins_byte);
  lock.take(std::chrono::seconds(1));
  std::set<std::string, std::less<>> lines = Pins::read(folder).lines();
  if (!change(lines)) return false;
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  if (!replace_small(folder, "pins", text))
    fail(Code::unsafe_cache, "the list of pinned entries cannot be written", {{"reason", std::strerror(errno)}});
  return true;
}
}  // namespace

Pins Pins::read(int folder) {
  Pins pins;
  std::string text = read_small(folder, "pins");
  for (std::string_view line : split(text, '\n')) pins.lines_.emplace(line);
  return pins;
}

bool Pins::holds(std::string_view entry_name) const {
  if (lines_.empty() || entry_name.size() < 2 * id_digits + 1) return false;
  return lines_.contains(entry_name) || lines_.contains(entry_name.substr(0, id_digits)) ||
         lines_.contains(entry_name.substr(id_digits + 1, id_digits));
}

bool pin(int folder, const std::string& line) {
  if (!is_id(line) && !is_entry_name(line))
    fail(Code::argument, "'" + line + "' cannot be pinned",
         {{"expected", "a key or a spec id of 16 hex digits, or the name of an entry's file"}});
  return change_pins(folder, [&](auto& lines) { return lines.insert(line).second; });
}

bool unpin(int folder, const std::string& line) {
  return change_pins(folder, [&](auto& lines) { return lines.erase(line) == 1; });
}

}  // namespace pagejit::cache
