#include "runtime/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "runtime/base/error.h"

namespace pagejit {
namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool plain(char c) {
  return c > ' ' && c < 0x7f && c != '%' && c != '=';
}
}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

NameValue split_name_value(std::string_view word) {
  std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0)
    fail(Code::argument, fmt::format("'{}' is not of the form name=value", word));
  return {std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
}

std::string percent_escape(std::string_view raw) {
  std::string text;
  for (char c : raw) {
    if (plain(c))
      text += c;
    else
      text += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

std::string percent_unescape(std::string_view escaped) {
  std::string raw;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      raw += escaped[i];
      continue;
    }
    int high = i + 2 < escaped.size() ? hex_digit(escaped[i + 1]) : -1;
    int low = i + 2 < escaped.size() ? hex_digit(escaped[i + 2]) : -1;
    if (high < 0 || low < 0)
      fail(Code::argument, fmt::format("'{}' has a '%' without two hex digits after it", escaped));
    raw += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return raw;
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      int replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string nearest(std::string_view wanted, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  int best_distance = static_cast<int>(std::max<std::size_t>(wanted.size(), 3)) * 2 / 3 + 1;
  for (std::string_view candidate : candidates) {
    int distance = edit_distance(wanted, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return std::string(best);
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(number) : std::nullopt;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::pair<std::string_view, std::uint64_t> units[] = {
      {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {"K", 1000}, {"M", 1000'000}, {"G", 1000'000'000}};
  std::uint64_t unit = 1;
  for (const auto& [name, bytes] : units)
    if (unit == 1 && text.ends_with(name)) {
      unit = bytes;
      text.remove_suffix(name.size());
    }
  std::optional<std::uint64_t> number = parse_count(text);
  if (!number || *number > UINT64_MAX / unit) return std::nullopt;
  return *number * unit;
}

std::string join(const std::vector<std::string_view>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string hex64(unsigned long long id) {
  return fmt::format("{:016x}", id);
}

}  // namespace pagejit
