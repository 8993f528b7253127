#include "tools/precompile/work.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "kernels/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "tools/cli.h"
#include "tools/model_config.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::precompile {
namespace {

const std::vector<std::string>& stages() {
  static const std::vector<std::string> names = {"ptx", "ir"};
  return names;
}

void check_one_of(const std::string& option, const std::string& value, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  fail(Code::argument, fmt::format("{} does not take '{}'", option, value),
       {{"expected", fmt::format("{}", fmt::join(known, ", "))}});
}

std::vector<Quant> quants_of(const Wish& wish) {
  std::vector<std::string> names;
  for (auto [quant, name] : enum_names(Quant{}))
    if (quant != Quant::turbo2) names.emplace_back(name);  // V's half of turbo4
  std::vector<Quant> quants;
  for (const std::string& given : cli::split(wish.quants)) {
    check_one_of("--quant", given, names);
    for (auto [quant, name] : enum_names(Quant{}))
      if (name == given) quants.push_back(quant);
  }
  return quants;
}

std::vector<std::string> lines_of(const Wish& wish) {
  std::vector<std::string> lines = wish.specs;
  std::vector<Quant> quants = quants_of(wish);
  for (const std::string& name : cli::split(wish.models)) {
    ModelShape shape = load_model(name).shape(wish.pages, quants);
    for (const Family& family : families())
      for (std::string& line : family.specs_for_model(shape)) lines.push_back(std::move(line));
  }
  return lines;
}

/// KEY.ptx or KEY.ir, headed by the command that makes it again.
void write_stage(const std::string& folder, const Request& r, const std::string& stage, const std::string& text) {
  std::string path = fmt::format("{}/{}.{}", folder, hex64(r.key_id), stage);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << fmt::format("{} pagejit-precompile --target {} --spec '{}' --emit {} --out .\n", stage == "ir" ? ";" : "//",
                     r.target, r.spec_line, stage)
      << text;
  out.close();
  if (!out) fail(Code::internal, fmt::format("cannot write {}", path), {{"reason", std::strerror(errno)}});
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(Code::internal, fmt::format("cannot make the folder {}", path), {{"reason", error.message()}});
}

EngineOptions engine_options(const Wish& wish) {
  EngineOptions options = EngineOptions::from(Settings::process());
  if (!wish.cache.empty())
    options.cache_dir = wish.cache;
  else if (!wish.emit.empty())
    options.cache_dir.clear();  // files are wanted, not entries
  return options;
}

}  // namespace

std::vector<Request> requests_of(const Wish& wish) {
  std::vector<std::string> targets = cli::split(wish.targets), known = target_names();
  if (targets.empty() && !Settings::process().arch.empty()) targets = {Settings::process().arch};
  if (known.empty())
    fail(Code::absent, "this build has no compiler, so it can precompile nothing",
         {{"to do", "use a build with -DPAGEJIT_WITH_COMPILER=ON"}});
  if (targets.empty())
    fail(Code::argument, "no --target is given",
         {{"expected", fmt::format("one or more of {}", fmt::join(known, ", "))}});
  for (const std::string& target : targets) check_one_of("--target", target, known);
  for (const std::string& stage : cli::split(wish.emit)) check_one_of("--emit", stage, stages());
  std::vector<std::string> lines = lines_of(wish);
  if (lines.empty())
    fail(Code::argument, "nothing to precompile", {{"to do", "give --spec 'LINE' or --model NAME; --list shows both"}});

  std::map<std::pair<std::string, std::string>, Request> sorted;
  for (const std::string& target : targets)
    for (const std::string& line : lines) {
      Request r = request_for(line, target);
      sorted.emplace(std::pair(r.target, r.spec_line), r);
    }
  std::vector<Request> requests;
  for (auto& [names, request] : sorted) requests.push_back(std::move(request));
  return requests;
}

std::vector<Variant> make_all(const Wish& wish, const std::vector<Request>& requests) {
  std::vector<std::string> emit = cli::split(wish.emit);
  std::string folder = wish.out.empty() ? "." : wish.out;
  if (!emit.empty()) make_folder(folder);
  Engine engine(make_toolchain(), engine_options(wish));
  std::vector<Variant> variants;
  for (const Request& request : requests) {
    Variant v;
    v.request = request;
    const Artifact& artifact = engine.artifact(request, &v.from_cache);
    v.facts = artifact.facts;
    v.ptx_bytes = artifact.ptx.size();
    for (const std::string& stage : emit)
      write_stage(folder, request, stage, stage == "ir" ? artifact.ir : artifact.ptx);
    variants.push_back(std::move(v));
    if (cli::on_terminal()) fmt::print(stderr, "\r\033[K[{}/{}]", variants.size(), requests.size());
  }
  if (cli::on_terminal()) fmt::print(stderr, "\r\033[K");
  return variants;
}

std::string as_text(const std::vector<Variant>& variants) {
  std::string text;
  for (const Variant& v : variants)
    text += fmt::format("{}  {:<8}  {}\n", hex64(v.request.key_id), v.request.target, v.request.spec_line);
  return text;
}

std::string as_json(const std::vector<Variant>& variants) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const Variant& v : variants)
    all.push_back({{"key", hex64(v.request.key_id)},
                   {"spec_id", hex64(v.request.spec_id)},
                   {"target", v.request.target},
                   {"spec", v.request.spec_line},
                   {"from_cache", v.from_cache},
                   {"ptx_bytes", v.ptx_bytes},
                   {"block", v.facts.block},
                   {"dynamic_shared", v.facts.dynamic_shared}});
  return Json{{"schema", 1}, {"variants", all}}.dump(2) + "\n";
}

}  // namespace pagejit::precompile
