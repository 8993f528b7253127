#include "tools/precompile/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernels/common/chip.h"
#include "kernels/registry.h"
#include "runtime/base/error.h"
#include "tools/cli.h"
#include "tools/manifest.h"
#include "tools/model_config.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::precompile {
namespace {
constexpr std::size_t usual_most = 10'000, greatest_most = 1'000'000;
using Requests = std::map<std::pair<std::string, std::string>, Request>;  // by target and spec line

std::vector<Quant> quants_of(const Wish& wish) {
  std::vector<Quant> quants;
  for (const std::string& given : cli::split(wish.quants)) {
    check_one_of("--quant", given, quant_names());
    for (auto [quant, name] : enum_names(Quant{}))
      if (name == given) quants.push_back(quant);
  }
  return quants;
}

/// The models that are wished for, by what they were asked for as: each file is read once, whatever the targets.
using Models = std::vector<std::pair<std::string, ModelShape>>;

Models models_of(const Wish& wish) {
  Models models;
  std::vector<Quant> quants = quants_of(wish);
  for (const std::string& name : cli::split(wish.models))
    models.emplace_back(name, load_model(name).shape(wish.pages, quants));
  return models;
}

std::vector<std::string> lines_of(const Wish& wish, const Models& models, const std::string& target) {
  std::vector<std::string> lines = wish.specs;
  for (auto [name, shape] : models) {
    shape.chip = chip_of(target);
    for (const Family& family : families())
      for (const std::string& line : family.specs_for_model(shape)) try {
          lines.push_back(family.canonical(line));
        } catch (const Error& e) {
          throw e.with("model", name);  // it is larger than a family can serve
        }
  }
  return lines;
}

void add(Requests& all, const std::vector<std::string>& lines, const std::vector<std::string>& targets) {
  if (!lines.empty() && targets.empty()) {
    std::vector<std::string> known = target_names();
    fail(Code::argument, "no --target is given",
         {{"expected", known.empty() ? "such as sm_90a" : fmt::format("one or more of {}", fmt::join(known, ", "))}});
  }
  for (const std::string& target : targets)
    for (const std::string& line : lines) {
      Request r = request_for(line, target);
      all.emplace(std::pair(r.target, r.spec_line), r);
    }
}

void check_size(const Requests& all, const Wish& wish) {
  if (all.empty())
    fail(Code::argument, "nothing to precompile",
         {{"to do", "give a manifest, --spec 'LINE' or --model NAME; --list shows what there is"}});
  if (all.size() > usual_most && !wish.yes)
    fail(Code::argument, fmt::format("{} kernels are asked for", all.size()),
         {{"to do", "add --yes, where so many are meant"}});
}

}  // namespace

std::vector<std::string> quant_names() {
  std::vector<std::string> names;
  for (auto [quant, name] : enum_names(Quant{}))
    if (quant != Quant::turbo2) names.emplace_back(name);  // V's half of turbo4
  return names;
}

void check_one_of(const std::string& option, const std::string& value, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  fail(Code::argument, fmt::format("{} does not take '{}'", option, value),
       {{"expected", fmt::format("{}", fmt::join(known, ", "))}});
}

std::vector<Request> requests_of(const Wish& wish) {
  std::vector<std::string> known = target_names(), targets = cli::split(wish.targets);
  if (!known.empty())
    for (const std::string& target : targets) check_one_of("--target", target, known);
  std::string usual = Settings::process().arch;
  auto or_usual = [&](const std::vector<std::string>& own) {
    if (!targets.empty()) return targets;
    return own.empty() && !usual.empty() ? std::vector<std::string>{usual} : own;
  };
  Requests all;
  for (const std::string& path : wish.manifests) {
    Manifest manifest = load_manifest(path, {wish.yes ? greatest_most : usual_most, known});
    add(all, manifest.lines, or_usual(manifest.targets));
  }
  std::vector<std::string> wished = or_usual({});
  Models models = models_of(wish);
  if (wished.empty()) add(all, lines_of(wish, models, {}), {});
  for (const std::string& target : wished) add(all, lines_of(wish, models, target), {target});
  check_size(all, wish);
  std::vector<Request> requests;
  for (auto& [names, request] : all) requests.push_back(std::move(request));
  return requests;
}

EngineOptions engine_options(const Wish& wish) {
  EngineOptions options = EngineOptions::from(Settings::process());
  bool elsewhere = !wish.emit.empty() || !wish.bundle.empty();
  if (!wish.cache.empty() || elsewhere) options.cache_dir = wish.cache;
  options.complete = elsewhere;
  options.record.clear();  // what is made ahead of time was not used
  return options;
}

}  // namespace pagejit::precompile
