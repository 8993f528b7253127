// What pagejit-cache prints, for people and for programs.
#pragma once
#include <string>
#include <vector>

#include "tools/cache/store.h"

namespace pagejit::cache_tool {

std::string list_as_text(const std::vector<Listed>& entries);
std::string list_as_json(const std::vector<Listed>& entries, const std::vector<Damage>& damaged);
std::string show_as_text(const Listed& entry, const Artifact& artifact, const std::string& folder);
std::string show_as_json(const Listed& entry, const Artifact& artifact, const std::string& folder);
std::string verify_as_text(std::size_t checked, const std::vector<Damage>& damaged);
std::string verify_as_json(std::size_t checked, const std::vector<Damage>& damaged);

}  // namespace pagejit::cache_tool
