// Small things that spec lines, key texts, settings and messages share.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pagejit {

/// "name=value" with neither side decoded.
using NameValue = std::pair<std::string, std::string>;

/// The pieces between separators; empty pieces are dropped.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Splits at the first '='. Throws Error(argument) where there is none, or nothing before it.
NameValue split_name_value(std::string_view word);

/// Bytes that would end a word or a line, '%' itself, and all that is not printable ASCII become %XX.
std::string percent_escape(std::string_view raw);
/// Throws Error(argument) at a '%' that no two hex digits follow.
std::string percent_unescape(std::string_view escaped);

/// The candidate with the smallest edit distance, or an empty text where none is near enough to be meant.
std::string nearest(std::string_view wanted, const std::vector<std::string_view>& candidates);
int edit_distance(std::string_view a, std::string_view b);

/// Decimal digits and nothing else.
std::optional<std::uint64_t> parse_count(std::string_view text);
/// The same with K, M, G (powers of 1000), KiB, MiB or GiB (of 1024) behind it.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

std::string join(const std::vector<std::string_view>& parts, std::string_view separator);
/// 16 hex digits.
std::string hex64(unsigned long long id);

}  // namespace pagejit
