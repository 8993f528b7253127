#include <fmt/format.h>

#include "runtime/base/text.h"
#include "tools/cache/command.h"
#include "tools/cache/occupancy.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {

std::string occupancy_text(const Listed& l) {
  std::optional<Occupancy> o = occupancy_of(l.facts, l.request.target);
  if (!o) return "not known: nobody has counted its registers, or the chip is not known";
  return fmt::format("{} %: {} blocks of {} threads on a multiprocessor, limited by {}", o->percent, o->blocks,
                     l.facts.block, o->limiter);
}

std::string layer_of(const Store& store, const Listed& l) {
  return store.is_bundle() ? store.path() : fmt::format("{}/v1/{}", store.path(), l.at.folder);
}

std::string as_text(const Store& store, const Listed& l, const Artifact& a) {
  auto line = [](std::string_view name, std::string_view value) { return fmt::format("{:<10} {}\n", name, value); };
  std::string text = line("spec", l.request.spec_line) + line("target", l.request.target) +
                     line("key", hex64(l.request.key_id)) + line("spec id", hex64(l.request.spec_id)) +
                     line("cause", l.cause.empty() ? "not kept" : l.cause) + line("made (UTC)", time_text(l.created)) +
                     line("occupancy", occupancy_text(l));
  text += line("bytes", fmt::format("{} (PTX {}, cubin {}, IR {}, log {})", l.at.bytes, a.ptx.size(), a.cubin.size(),
                                    a.ir.size(), a.log.size()));
  text += line("last use", store.is_bundle() ? "not kept in a bundle" : time_text(l.at.used) + " UTC, within an hour");
  if (l.pinned) text += line("pinned", "no collection removes it");
  text += line("layer", layer_of(store, l)) + line("file", l.at.name);
  text += indented("producer", l.producer) + indented("facts", l.facts.text());
  std::string stages;
  for (const auto& [stage, ms] : a.ms) stages += fmt::format("{} {:.2f}\n", stage, ms);
  return stages.empty() ? text : text + indented("milliseconds", stages);
}

Json as_json(const Store& store, const Listed& l, const Artifact& a) {
  Json j = entry_json(l);
  j["cause"] = l.cause.empty() ? Json() : Json(l.cause);
  j["created"] = l.created == 0 ? Json() : Json(l.created);
  j["occupancy"] = Json();
  if (std::optional<Occupancy> o = occupancy_of(l.facts, l.request.target))
    j["occupancy"] = {{"percent", o->percent}, {"blocks", o->blocks}, {"limiter", o->limiter}};
  j["layer"] = layer_of(store, l);
  j["producer"] = l.producer;
  j["facts"] = l.facts.text();
  j["sections"] = {{"ptx", a.ptx.size()}, {"cubin", a.cubin.size()}, {"ir", a.ir.size()}, {"log", a.log.size()}};
  j["ms"] = a.ms;
  return j;
}

int show(const Common& common, const std::string& key) {
  Store store(common.cache);
  Listed listed = store.find(key);
  Artifact artifact = store.open(listed.at).value().artifact();
  if (common.json)
    print_json(as_json(store, listed, artifact));
  else
    fmt::print("{}", as_text(store, listed, artifact));
  return 0;
}

}  // namespace

Body declare_show(CLI::App& app, const Common& common) {
  auto key = std::make_shared<std::string>();
  app.add_option("key", *key, "a prefix of its key or spec id, its file's name, or its spec line")
      ->type_name("KEY")
      ->required();
  return [key, &common] { return show(common, *key); };
}

}  // namespace pagejit::cache_tool
