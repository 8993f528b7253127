#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runtime/base/text.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cli.h"
#include "tools/precompile/coverage.h"
#include "tools/precompile/plan.h"

namespace pagejit::cache_tool {
namespace {
using precompile::Covered;

EngineOptions layers_of(const std::string& cache) {
  Store store(cache);
  EngineOptions options = EngineOptions::from(Settings::process());
  options.record.clear();
  options.cache_dir = store.is_bundle() ? "" : store.path();
  if (store.is_bundle()) options.cache_ro = store.path();
  return options;
}

struct Count {
  std::size_t present = 0, missing = 0;
};

int check(const Common& common, const precompile::Wish& wish) {
  EngineOptions options = layers_of(common.cache);
  std::vector<Covered> all = precompile::look_for(precompile::requests_of(wish), std::move(options));
  std::map<std::string, Count> targets;
  Json missing = Json::array(), counts = Json::object();
  for (const Covered& c : all) {
    ++(c.present ? targets[c.request.target].present : targets[c.request.target].missing);
    if (c.present) continue;
    missing.push_back({{"target", c.request.target}, {"spec", c.request.spec_line}, {"key", hex64(c.request.key_id)}});
    if (!common.json) fmt::print("missing  {:<8}  {}\n", c.request.target, c.request.spec_line);
  }
  for (const auto& [target, count] : targets) {
    counts[target] = {{"present", count.present}, {"missing", count.missing}};
    if (!common.json) fmt::print("{:<8}  {} present, {} missing\n", target, count.present, count.missing);
  }
  if (common.json) print_json({{"targets", counts}, {"missing", missing}});
  return missing.empty() ? 0 : cli::exit_code(Code::miss);
}

}  // namespace

Body declare_check(CLI::App& app, const Common& common) {
  auto wish = std::make_shared<precompile::Wish>();
  app.add_option("manifest", wish->manifests, "files that list kernels; PAGEJIT_RECORD writes such files")
      ->type_name("FILE")
      ->required();
  app.add_option("--target", wish->targets, "instead of the manifest's own: sm_90a, or several: sm_80,sm_90a")
      ->type_name("TARGET");
  app.add_flag("--yes", wish->yes, "more than 10,000 kernels are meant");
  return [wish, &common] { return check(common, *wish); };
}

}  // namespace pagejit::cache_tool
