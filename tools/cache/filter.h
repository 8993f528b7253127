// Choosing among entries: `kv=int8`, `spills>0`, `flatten`, `sm_90a`.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/cache/store.h"

namespace pagejit::cache_tool {

/// What `name` is for this entry: a field of its Spec, a fact, or one of key, spec, target, family, registers, spills,
/// shared, bytes, age (seconds), last_use, pinned, cause, producer lines. Nothing where it has none, or where nobody
/// measured it.
std::optional<std::string> value_of(const Listed& entry, const std::string& name);

class Filter {
 public:
  /// NAME=VALUE, or with !=, <, <=, >, >= between them; or a family or a target alone. Throws Error(argument).
  explicit Filter(const std::string& text);
  /// Numbers compare as numbers. An entry without the name does not match.
  bool matches(const Listed& entry) const;

 private:
  std::string name_, relation_, value_;
};

/// Keeps the entries that match every filter.
void keep_matching(std::vector<Listed>& entries, const std::vector<std::string>& filters);
/// By any name that value_of() knows; "-bytes": the greatest first. Throws Error(argument) where no entry has it.
void sort_by(std::vector<Listed>& entries, const std::string& name);

}  // namespace pagejit::cache_tool
