// How pagejit-cache writes numbers, times and JSON.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tools/cache/store.h"

namespace pagejit::cache_tool {

using Json = nlohmann::ordered_json;

/// Puts "schema" in front: it goes up when a name or a meaning changes, not when a name is added.
void print_json(const Json& object);

/// A fact that nobody has measured yet is −1: "–", null.
std::string known(int value);
Json known_json(int value);
/// "12.3 KiB".
std::string bytes_text(std::uint64_t bytes);
/// "2026-11-03 14:05", UTC; "–" for 0.
std::string time_text(std::int64_t seconds);
/// "3 d", "5 h", "2 min".
std::string age_text(std::int64_t seconds);
/// The lines of a text, each indented under its heading.
std::string indented(std::string_view heading, std::string_view lines);

Json entry_json(const Listed& entry);
Json damage_json(const std::vector<Damage>& damaged);
/// Says each on stderr, and gives the exit code.
int complain(const std::vector<Damage>& damaged);

/// "90s", "30min", "12h", "7d", "2w" in seconds. Throws Error(argument).
std::int64_t parse_duration(const std::string& text);

}  // namespace pagejit::cache_tool
