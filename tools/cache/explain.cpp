#include <fmt/format.h>

#include <set>

#include "kernels/registry.h"
#include "runtime/base/text.h"
#include "runtime/cache/classify.h"
#include "runtime/cache/disk.h"
#include "runtime/engine_options.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cli.h"
#include "tools/compiler_producer.h"
#include "tools/ptxas.h"

namespace pagejit::cache_tool {
namespace {

/// The private folder as a process that uses it would ask it, except that nothing is written.
class AsPrivate : public cache::Disk {
 public:
  explicit AsPrivate(const std::string& path) : Disk(path, Use::read_only) {}
  std::string_view kind() const override { return "private"; }

 private:
  bool any_producer() const override { return false; }
};

cache::Layers layers_of(const Store& store) {
  cache::Layers layers;
  EngineOptions options = EngineOptions::from(Settings::process());
  cache::DiskOptions disk{options.group, options.limits, nullptr};
  if (store.is_bundle()) {
    cache::add_shared_layers(layers, store.path(), options.shared, nullptr, disk);
    return layers;
  }
  auto root = std::make_unique<AsPrivate>(store.path());
  cache::Disk* root_address = root.get();
  layers.add(std::move(root));
  cache::add_shared_layers(layers, options.cache_ro, options.shared, root_address, disk);
  return layers;
}

/// The one target that the cache has kernels for, unless the user or the environment says.
std::string target_for(const Store& store, const std::string& given) {
  if (!given.empty()) return given;
  if (!Settings::process().arch.empty()) return Settings::process().arch;
  std::set<std::string> targets;
  std::vector<Damage> ignored;
  for (const Listed& l : store.list(ignored)) targets.insert(l.request.target);
  if (targets.size() == 1) return *targets.begin();
  fail(Code::argument, "for which target?",
       {{"to do", fmt::format("add --target; the cache has {}",
                              targets.empty() ? "none" : fmt::format("{}", fmt::join(targets, ", ")))}});
}

/// What this build would ask for today. A key that is cached stands for its spec line and target.
Request request_now(const Store& store, const std::string& key, const std::string& target) {
  bool line = key.find(' ') != std::string::npos || key.find('=') != std::string::npos;
  for (const Family& family : families()) line = line || key == family.name;
  if (line) return request_for(key, target_for(store, target));
  Request cached = store.find(key).request;
  return request_for(cached.spec_line, target.empty() ? cached.target : target);
}

std::string sentence_of(const cache::Explanation& e) {
  bool compiles = e.miss && e.miss->cause != cache::Cause::assembler;
  if (!compiles || !compiler_producer().empty()) return e.sentence();
  return fmt::format(
      "Nothing is compiled ({}): this build has no compiler, and whoever asks for the kernel gets PJ0003.",
      cache::name_of(e.miss->cause));
}

Json as_json(const Request& request, const cache::Explanation& e) {
  Json answers = Json::array(), changes = Json::array();
  for (const auto& a : e.answers) answers.push_back({{"layer", a.layer}, {"kind", a.kind}, {"answer", a.answer}});
  Json j{{"spec", request.spec_line},
         {"target", request.target},
         {"key", hex64(request.key_id)},
         {"compiler", !compiler_producer().empty()},
         {"layers", answers},
         {"cached", !e.miss}};
  if (e.miss) {
    for (const auto& c : e.miss->changes)
      changes.push_back({{"name", c.name}, {"cached", c.cached}, {"wanted", c.wanted}});
    j["cause"] = cache::name_of(e.miss->cause);
    j["nearest"] = e.miss->nearest ? Json(hex64(e.miss->nearest->key_id)) : Json();
    j["changes"] = changes;
  }
  j["sentence"] = sentence_of(e);
  return j;
}

std::string as_text(const Request& request, const cache::Explanation& e) {
  std::string text = fmt::format("{:<8} {}\n{:<8} {}\n{:<8} {}\n", "spec", request.spec_line, "target", request.target,
                                 "key", hex64(request.key_id));
  for (const auto& a : e.answers) text += fmt::format("{:<8} {}: {}\n", a.kind, a.layer, a.answer);
  auto shown = [](const std::string& value) { return value.empty() ? std::string("(none)") : value; };
  if (e.miss && e.miss->nearest)
    text += fmt::format("{:<8} {}  {}\n", "nearest", e.miss->nearest->target, e.miss->nearest->spec_line);
  if (e.miss)
    for (const auto& c : e.miss->changes) {
      bool no_compiler = c.name == "llvm" && compiler_producer().empty();
      text += fmt::format("  {}: {} → {}\n", c.name, shown(c.cached),
                          no_compiler ? "(this build has no compiler)" : shown(c.wanted));
    }
  return text + sentence_of(e) + "\n";
}

struct Options {
  std::string key, target, assembler;
};

/// "driver 13000" or "ptxas 13.0.88" as what a process with that assembler wants.
void want_machine_code(cache::Wanted& wanted, const std::string& assembler) {
  std::size_t space = assembler.find(' ');
  std::string kind = assembler.substr(0, space),
              version = space == std::string::npos ? "" : assembler.substr(space + 1);
  int release = kind == "driver" ? static_cast<int>(parse_count(version).value_or(0)) : ptxas_release(version);
  if ((kind != "driver" && kind != "ptxas") || release == 0)
    fail(Code::argument, fmt::format("--assembler does not take '{}'", assembler),
         {{"expected", "such as 'driver 13000' or 'ptxas 13.0.88'"}});
  wanted.chip = chip_of(wanted.request.target);
  wanted.assembler = fmt::format("assembler={}\ncubin={}", assembler, wanted.chip);
  wanted.driver = release;
}

int explain(const Common& common, const Options& options) {
  Store store(common.cache);
  Request request = request_now(store, options.key, options.target);
  cache::Wanted wanted{request, {}, {}, {}};
  wanted.compiler = compiler_producer();
  if (!options.assembler.empty()) want_machine_code(wanted, options.assembler);
  wanted.only_exact = Settings::process().producer == "exact";
  bool compiles = !wanted.compiler.empty() && Settings::process().mode != "require";
  wanted.any_producer = Settings::process().producer == "any" || (!compiles && !wanted.only_exact);
  cache::Layers layers = layers_of(store);
  cache::Explanation explanation = cache::explain(layers, wanted);
  if (common.json)
    print_json(as_json(request, explanation));
  else
    fmt::print("{}", as_text(request, explanation));
  return 0;
}

}  // namespace

Body declare_explain(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("key", options->key, "a spec line, or what names a cached kernel")->type_name("KEY")->required();
  app.add_option("--target", options->target, "for another target than the cached kernel's or PAGEJIT_ARCH")
      ->type_name("TARGET");
  app.add_option("--assembler", options->assembler,
                 "as a process that makes machine code with 'driver 13000' or 'ptxas 13.0.88' (default: PTX will do)")
      ->type_name("TEXT");
  return [options, &common] { return explain(common, *options); };
}

}  // namespace pagejit::cache_tool
