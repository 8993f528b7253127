#include "tools/precompile/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/base/text.h"
#include "tools/cli.h"

namespace pagejit::precompile {
namespace {
using Json = nlohmann::ordered_json;
using State = Variant::State;

Json known(int fact) {
  return fact < 0 ? Json() : Json(fact);
}

Json names_of(const Variant& v) {
  return {{"key", hex64(v.request.key_id)},
          {"spec_id", hex64(v.request.spec_id)},
          {"target", v.request.target},
          {"spec", v.request.spec_line}};
}

std::size_t count(const Made& made, bool (*which)(const Variant&)) {
  return static_cast<std::size_t>(std::count_if(made.variants.begin(), made.variants.end(), which));
}

std::string slowest(const Made& made) {
  std::vector<const Variant*> compiled;
  for (const Variant& v : made.variants)
    if (v.state == State::done && !v.from_cache) compiled.push_back(&v);
  std::stable_sort(compiled.begin(), compiled.end(), [](const Variant* a, const Variant* b) { return a->ms > b->ms; });
  constexpr std::size_t shown = 5;
  if (compiled.size() > shown) compiled.resize(shown);
  std::string text = compiled.empty() ? "" : "slowest:\n";
  for (const Variant* v : compiled)
    text += fmt::format("  {:>6.0f} ms  {:<8}  {}\n", v->ms, v->request.target, v->request.spec_line);
  return text;
}

}  // namespace

std::string as_text(const Made& made) {
  std::string text;
  for (const Variant& v : made.variants)
    if (v.state == State::done)
      text += fmt::format("{}  {:<8}  {}\n", hex64(v.request.key_id), v.request.target, v.request.spec_line);
  return text;
}

std::string as_json(const Made& made) {
  Json all = Json::array();
  for (const Variant& v : made.variants) {
    if (v.state != State::done) continue;
    Json j = names_of(v);
    j["from_cache"] = v.from_cache;
    j["ptx_bytes"] = v.ptx_bytes;
    j["cubin_bytes"] = v.cubin_bytes;
    j["block"] = v.facts.block;
    j["dynamic_shared"] = v.facts.dynamic_shared;
    all.push_back(std::move(j));
  }
  return Json{{"schema", 1}, {"variants", all}}.dump(2) + "\n";
}

std::string report(const Made& made) {
  Json all = Json::array(), failed = Json::array();
  for (const Variant& v : made.variants) {
    Json j = names_of(v);
    if (v.state == State::failed) {
      j["error"] = fmt::format("PJ{:04}", static_cast<int>(v.failure->code()));
      j["message"] = v.failure->message();
      failed.push_back(std::move(j));
    }
    if (v.state != State::done) continue;
    j["producer_id"] = hex64(hash64(v.producer));
    j["cubin_sha256"] = v.cubin_sha256.empty() ? Json() : Json(v.cubin_sha256);
    j["bytes"] = v.cubin_bytes;
    j["registers"] = known(v.facts.registers);
    j["spills"] = known(v.facts.spill_store < 0 ? -1 : v.facts.spill_store + std::max(0, v.facts.spill_load));
    j["static_shared"] = known(v.facts.static_shared);
    j["dynamic_shared"] = v.facts.dynamic_shared;
    j["from_cache"] = v.from_cache;
    j["ms"] = v.ms;
    all.push_back(std::move(j));
  }
  return Json{{"schema", 1}, {"interrupted", made.interrupted}, {"variants", all}, {"failed", failed}}.dump(2) + "\n";
}

std::string summary(const Made& made) {
  std::string text;
  for (const Variant& v : made.variants)
    if (v.failure) text += fmt::format("{}\n", v.failure->what());
  text += slowest(made);
  std::size_t done = count(made, [](const Variant&v) { return v.state == State::done; }),
              cached = count(made, [](const Variant&v) { return v.from_cache; }),
              failed = count(made, [](const Variant&v) { return v.state == State::failed; });
  text += fmt::format("{} of {} kernels: {} compiled, {} from the cache, {} failed; {}\n", done, made.variants.size(),
                      done - cached, cached, failed,
                      made.assembler.empty() ? "PTX only, the driver makes machine code of it when it loads"
                                             : "machine code by " + made.assembler);
  if (made.interrupted) text += "interrupted: what is done stays\n";
  return text;
}

int exit_code_of(const Made& made) {
  if (made.interrupted) return cli::interrupted_code;
  int worst = 0;
  for (const Variant& v : made.variants)
    if (v.failure) worst = cli::worse(worst, cli::exit_code(v.failure->code()));
  return worst;
}

}  // namespace pagejit::precompile
