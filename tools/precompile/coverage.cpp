#include "tools/precompile/coverage.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/base/text.h"
#include "runtime/engine.h"

namespace pagejit::precompile {

std::vector<Covered> look_for(const std::vector<Request>& requests, EngineOptions options) {
  options.write = false;
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.cache_dir + "/v1", ignored)) options.cache_dir.clear();
  Engine engine(nullptr, std::move(options));
  std::vector<Covered> all;
  for (const Request& request : requests) {
    cache::Wanted wanted{.request = request, .compiler = {}, .assembler = {}, .chip = {}};
    wanted.any_producer = true;
    Covered covered{.request = request, .layer = {}};
    if (auto hit = engine.layers().get(wanted)) {
      covered.present = true;
      covered.machine_code = !hit->artifact.cubin.empty();
      covered.layer = hit->layer;
    }
    all.push_back(std::move(covered));
  }
  return all;
}

std::string as_text(const std::vector<Covered>& all, bool only_missing) {
  std::string text;
  for (const Covered& c : all) {
    if (only_missing && c.present) continue;
    const char* state = !c.present ? "missing" : c.machine_code ? "cached" : "PTX only";
    text += fmt::format("{:<8}  {:<8}  {}\n", state, c.request.target, c.request.spec_line);
  }
  return text;
}

std::string as_json(const std::vector<Covered>& all) {
  using Json = nlohmann::ordered_json;
  Json variants = Json::array();
  for (const Covered& c : all)
    variants.push_back({{"key", hex64(c.request.key_id)},
                        {"target", c.request.target},
                        {"spec", c.request.spec_line},
                        {"present", c.present},
                        {"machine_code", c.machine_code}});
  return Json{{"schema", 1}, {"variants", variants}}.dump(2) + "\n";
}

}  // namespace pagejit::precompile
