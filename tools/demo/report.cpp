#include "tools/demo/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace pagejit::demo {
namespace {

using Json = nlohmann::ordered_json;

double fraction(const KernelReport& k) {
  return k.copy_gbps > 0 ? k.gbps / k.copy_gbps : 0;
}

std::string shape_text(const ModelConfig& m) {
  return m.mla ? fmt::format("MLA {}/{}", m.dim_k, m.dim_v) : fmt::format("{} × {}", m.kv_heads, m.dim_k);
}

Json model_json(const Workload& w, const Served& s) {
  return {{"model", w.model.name},
          {"kv_heads", w.model.kv_heads},
          {"dim_k", w.model.dim_k},
          {"dim_v", w.model.dim_v},
          {"page", w.page},
          {"layout", w.layout == FlattenArgs::Layout::nhd ? "nhd" : "hnd"},
          {"steps", s.steps},
          {"verified", s.verified},
          {"tokens", s.tokens},
          {"least_batch", s.least_batch},
          {"greatest_batch", s.greatest_batch}};
}

Json kernel_json(const KernelReport& k) {
  Json j{{"spec", k.spec},
         {"compile_ms", k.compile_ms},
         {"load_ms", k.load_ms},
         {"first_call_ms", k.first_ms},
         {"microseconds", k.microseconds},
         {"gbps", k.gbps},
         {"copy_gbps", k.copy_gbps},
         {"fraction_of_copy", fraction(k)}};
  if (k.warm_ms >= 0) j["warm_ms"] = k.warm_ms;
  return j;
}

std::string summary(const Report& r) {
  std::string done = r.launch_only ? fmt::format("{} of {} steps launched, none verified", r.launched(), r.steps())
                                   : fmt::format("{} of {} steps verified bit for bit", r.verified(), r.steps());
  std::string text = fmt::format(
      "{} · {} kernels compiled for {} models · {} launches · recompilations caused by batch, lengths or strides: {}\n",
      done, r.spent.compiles, r.models.size(), r.launches, r.recompilations());
  if (!r.emulated)
    text += fmt::format("{} kernels from the cache, {} of weaker alignment; {} assembled by the driver\n",
                        r.spent.disk_hits, r.spent.align_fallbacks, r.spent.assemblies);
  if (r.emulated)
    text += "The emulator checks every access and is no measure of speed: its times say nothing of a GPU.\n";
  if (!r.mismatch().empty()) text += "WRONG: " + r.mismatch() + "\n";
  return text;
}

}  // namespace

int Report::steps() const {
  int sum = 0;
  for (const auto& [work, served] : models) sum += work.steps;
  return sum;
}

int Report::launched() const {
  int sum = 0;
  for (const auto& [work, served] : models) sum += served.steps;
  return sum;
}

int Report::verified() const {
  int sum = 0;
  for (const auto& [work, served] : models) sum += served.verified;
  return sum;
}

std::uint64_t Report::recompilations() const {
  std::uint64_t sum = 0;
  for (const auto& [work, served] : models) sum += served.compiled_later;
  return sum;
}

std::string Report::mismatch() const {
  for (const auto& [work, served] : models)
    if (!served.mismatch.empty()) return served.mismatch;
  return {};
}

std::string as_table(const Report& r) {
  std::string text = fmt::format("pagejit on {} ({})\n\n", r.device, r.target);
  text += fmt::format("{:<16} {:>11} {:>5} {:>7} {:>9} {:>9} {:>9} {:>13}\n", "model", "KV", "page", "layout", "batch",
                      "steps", "verified", "tokens moved");
  for (const auto& [w, s] : r.models)
    text += fmt::format("{:<16} {:>11} {:>5} {:>7} {:>9} {:>9} {:>9} {:>13}\n", w.model.name, shape_text(w.model),
                        w.page, w.layout == FlattenArgs::Layout::nhd ? "nhd" : "hnd",
                        fmt::format("{}–{}", s.least_batch, s.greatest_batch), s.steps, s.verified, s.tokens);
  text += "\n";
  text += fmt::format("{:>11} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9} {:>8}  {}\n", "compile ms", "load ms", "first ms",
                      "warm ms", "µs", "GB/s", "copy", "of copy", "kernel");
  for (const KernelReport& k : r.kernels) {
    std::string warm = k.warm_ms < 0 ? "–" : fmt::format("{:.2f}", k.warm_ms);
    text += fmt::format("{:>11.2f} {:>9.2f} {:>9.2f} {:>9} {:>10.1f} {:>9.1f} {:>9.1f} {:>8.3f}  {}\n", k.compile_ms,
                        k.load_ms, k.first_ms, warm, k.microseconds, k.gbps, k.copy_gbps, fraction(k), k.spec);
  }
  return text + "\n" + summary(r);
}

std::string as_json(const Report& r) {
  Json models = Json::array(), kernels = Json::array();
  for (const auto& [w, s] : r.models) models.push_back(model_json(w, s));
  for (const KernelReport& k : r.kernels) kernels.push_back(kernel_json(k));
  Json j{{"device", r.device},
         {"target", r.target},
         {"emulated", r.emulated},
         {"steps", r.steps()},
         {"verified", r.verified()},
         {"launch_only", r.launch_only},
         {"kernels_compiled", r.spent.compiles},
         {"kernels_from_cache", r.spent.disk_hits},
         {"kernels_assembled", r.spent.assemblies},
         {"align_fallbacks", r.spent.align_fallbacks},
         {"recompilations_after_warmup", r.recompilations()},
         {"launches", r.launches},
         {"models", models},
         {"kernels", kernels}};
  if (!r.mismatch().empty()) j["mismatch"] = r.mismatch();
  return j.dump(2) + "\n";
}

}  // namespace pagejit::demo
