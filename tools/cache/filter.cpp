#include "tools/cache/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "runtime/base/text.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

/// Of "name=value" pieces, the one with this name.
std::optional<std::string> in_list(std::string_view text, char separator, const std::string& name) {
  for (std::string_view piece : split(text, separator))
    if (piece.starts_with(name + "=")) return std::string(piece.substr(name.size() + 1));
  return std::nullopt;
}

std::optional<std::string> measured(int value) {
  return value < 0 ? std::nullopt : std::optional(std::to_string(value));
}

std::optional<std::string> derived(const Listed& l, const std::string& name) {
  if (name == "family") return l.request.spec_line.substr(0, l.request.spec_line.find(' '));
  if (name == "target") return l.request.target;
  if (name == "spec") return l.request.spec_line;
  if (name == "key") return hex64(l.request.key_id);
  if (name == "registers") return measured(l.facts.registers);
  if (name == "spills") return measured(l.spills());
  if (name == "shared") return std::to_string(l.shared());
  if (name == "bytes") return std::to_string(l.at.bytes);
  if (name == "last_use" && l.at.used > 0) return std::to_string(l.at.used);
  if (name == "age" && l.at.used > 0) return std::to_string(std::max<std::int64_t>(0, std::time(nullptr) - l.at.used));
  if (name == "pinned") return std::string(l.pinned ? "1" : "0");
  if (name == "cause" && !l.cause.empty()) return l.cause;
  return std::nullopt;
}

int order(const std::string& a, const std::string& b) {
  std::optional<std::uint64_t> x = parse_count(a), y = parse_count(b);
  if (x && y) return *x < *y ? -1 : *x > *y;
  return a.compare(b);
}

/// What a user means by `age>7d` and `bytes>1MiB`.
std::string plain_number(const std::string& name, const std::string& value) {
  if (name == "age") return std::to_string(parse_duration(value));
  if (name == "bytes" || name == "shared")
    if (std::optional<std::uint64_t> bytes = parse_bytes(value)) return std::to_string(*bytes);
  return value;
}

}  // namespace

std::optional<std::string> value_of(const Listed& entry, const std::string& name) {
  if (auto value = derived(entry, name)) return value;
  if (auto value = in_list(entry.request.spec_line, ' ', name)) return value;
  std::optional<std::string> fact = in_list(entry.facts.text(), '\n', name);
  if (fact == "-1") return std::nullopt;
  return fact ? fact : in_list(entry.producer, '\n', name);
}

Filter::Filter(const std::string& text) {
  std::size_t at = text.find_first_of("=<>!");
  if (at == std::string::npos) {
    name_ = text.starts_with("sm_") ? "target" : "family";
    relation_ = "=";
    value_ = text;
    return;
  }
  std::size_t after = text.find_first_not_of("=<>!", at);
  name_ = text.substr(0, at);
  relation_ = text.substr(at, after == std::string::npos ? after : after - at);
  constexpr std::string_view relations[] = {"=", "!=", "<", "<=", ">", ">="};
  bool good = std::find(std::begin(relations), std::end(relations), relation_) != std::end(relations);
  if (name_.empty() || after == std::string::npos || !good)
    fail(Code::argument, fmt::format("'{}' is no filter", text),
         {{"expected", "such as kv=int8, spills>0, age>7d, flatten"}});
  value_ = plain_number(name_, text.substr(after));
}

bool Filter::matches(const Listed& entry) const {
  std::optional<std::string> value = value_of(entry, name_);
  if (!value) return false;
  int sign = order(*value, value_);
  if (relation_ == "!=") return sign != 0;
  bool equal = relation_.ends_with('=') && sign == 0;
  return equal || (relation_.starts_with('<') && sign < 0) || (relation_.starts_with('>') && sign > 0);
}

void keep_matching(std::vector<Listed>& entries, const std::vector<std::string>& filters) {
  for (const std::string& text : filters) {
    Filter filter(text);
    std::erase_if(entries, [&](const Listed& l) { return !filter.matches(l); });
  }
}

void sort_by(std::vector<Listed>& entries, const std::string& name) {
  bool falling = name.starts_with('-');
  std::string field = falling ? name.substr(1) : name;
  std::vector<std::pair<std::optional<std::string>, std::size_t>> keys;
  for (std::size_t i = 0; i < entries.size(); ++i) keys.emplace_back(value_of(entries[i], field), i);
  auto has = [](const auto& key) { return key.first.has_value(); };
  if (!entries.empty() && std::none_of(keys.begin(), keys.end(), has))
    fail(Code::argument, fmt::format("no entry has '{}' to sort by", field),
         {{"expected", "registers, spills, shared, bytes, last_use, age, target, key, a field of a Spec or a fact"}});
  std::stable_sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    if (!has(a) || !has(b)) return has(a) > has(b);  // what is not known comes last
    return falling ? order(*a.first, *b.first) > 0 : order(*a.first, *b.first) < 0;
  });
  std::vector<Listed> sorted;
  for (const auto& [key, i] : keys) sorted.push_back(std::move(entries[i]));
  entries = std::move(sorted);
}

}  // namespace pagejit::cache_tool
