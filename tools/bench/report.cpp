#include "tools/bench/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace pagejit::bench {
namespace {

using Json = nlohmann::ordered_json;

Json timing_json(const Timing& t) {
  return {{"median", t.median}, {"p10", t.low}, {"p90", t.high}};
}

std::string bar_text(const Case& c) {
  if (c.view) return fmt::format("≥ {:.2f}", least_of_packed);
  if (c.least_of_copy > 0) return fmt::format("≥ {:.2f}", c.least_of_copy);
  if (c.least_of_read > 0) return fmt::format("≥ {:.2f} read", c.least_of_read);
  if (c.least_tflops > 0) return fmt::format("≥ {} TFLOP/s", c.least_tflops);
  return c.most_us > 0 ? fmt::format("≤ {} µs", c.most_us) : "";
}

std::string row(const CaseResult& r) {
  if (!r.skipped.empty()) return fmt::format("{:<38} {}\n", r.what.name, r.skipped);
  std::string verdict = !r.met() ? "" : *r.met() ? "met" : "missed";
  if (r.of_packed) verdict += fmt::format(" {:.3f} of packed", *r.of_packed);
  return fmt::format(
      "{:<38} {:>9.2f} {:>9.2f} {:>9.2f} {:>8.0f} {:>8.0f} {:>7.3f} {:>7.3f} {:>7.1f} {:>7.1f}  {:>13} {}\n",
      r.what.name, r.kernel.median, r.kernel.low, r.kernel.high, r.gbps(), r.copy_gbps(), r.of_copy(), r.of_read(),
      r.tflops(), static_cast<double>(r.bytes) / 1e6, bar_text(r.what), verdict);
}

Json case_json(const CaseResult& r) {
  if (!r.skipped.empty()) return {{"name", r.what.name}, {"skipped", r.skipped}};
  Json j{{"name", r.what.name},
         {"spec", r.spec},
         {"replay", r.what.replay},
         {"buffers", r.copies},
         {"bytes", r.bytes},
         {"microseconds", timing_json(r.kernel)},
         {"gbps", r.gbps()},
         {"copy_microseconds", timing_json(r.copy)},
         {"copy_gbps", r.copy_gbps()},
         {"fraction_of_copy", r.of_copy()},
         {"fraction_of_read", r.of_read()}};
  if (r.flops > 0) j["tflops"] = r.tflops();
  if (r.what.least_of_read > 0) j["bar_fraction_of_read"] = r.what.least_of_read;
  if (r.what.least_tflops > 0) j["bar_tflops"] = r.what.least_tflops;
  if (r.what.least_of_copy > 0) j["bar_fraction_of_copy"] = r.what.least_of_copy;
  if (r.what.most_us > 0) j["bar_microseconds"] = r.what.most_us;
  if (r.of_packed) j["fraction_of_packed"] = *r.of_packed;
  if (r.met()) j["met"] = *r.met();
  return j;
}

std::string start_up_text(const StartUp& s) {
  std::string text;
  auto line = [&](const char* what, const std::optional<Timing>& t, double bar) {
    if (t) text += fmt::format("{:<46} {:.2f} ms ({:.2f}–{:.2f}), bar {} ms\n", what, t->median, t->low, t->high, bar);
  };
  line("fresh process, empty cache: Spec → PTX", s.compile_ms, 10);
  line("fresh process, warm cache: Spec → loaded kernel", s.load_ms, 1);
  return text;
}

}  // namespace

std::string as_table(const Report& r) {
  std::string text = fmt::format("pagejit-bench on {} ({})\n", r.device, r.target);
  if (r.emulated)
    text += "The emulator is no measure of speed: shapes are cut down, and times only show that cases run.\n";
  text += fmt::format("ceilings in this run: copy {:.0f} GB/s, read only {}\n\n", r.ceilings.copy_gbps,
                      r.ceilings.read_gbps > 0 ? fmt::format("{:.0f} GB/s", r.ceilings.read_gbps) : "not measured");
  text += fmt::format("{:<38} {:>9} {:>9} {:>9} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7}  {:>13}\n", "case", "µs", "p10",
                      "p90", "GB/s", "copy", "of copy", "of read", "TFLOP/s", "MB", "bar");
  for (const CaseResult& c : r.cases) text += row(c);
  text += "\n" + start_up_text(r.start_up);
  if (r.host.measured)
    text += fmt::format(
        "host time of a launch: {:.3f} µs, bare cuLaunchKernelEx {:.3f} µs, difference {:.3f} µs (bar 0.2); of another "
        "shape each time: {:.3f} µs\n",
        r.host.flatten.median, r.host.bare.median, r.host.flatten.median - r.host.bare.median,
        r.host.changing.median - r.host.bare.median);
  return text;
}

std::string as_json(const Report& r) {
  Json cases = Json::array();
  for (const CaseResult& c : r.cases) cases.push_back(case_json(c));
  Json j{{"device", r.device},
         {"target", r.target},
         {"emulated", r.emulated},
         {"ceilings", {{"copy_gbps", r.ceilings.copy_gbps}, {"read_gbps", r.ceilings.read_gbps}}},
         {"cases", cases}};
  if (r.start_up.compile_ms) j["cold_compile_ms"] = timing_json(*r.start_up.compile_ms);
  if (r.start_up.load_ms) j["warm_load_ms"] = timing_json(*r.start_up.load_ms);
  if (r.host.measured)
    j["host"] = {{"flatten_us", timing_json(r.host.flatten)},
                 {"changing_us", timing_json(r.host.changing)},
                 {"bare_us", timing_json(r.host.bare)},
                 {"difference_us", r.host.flatten.median - r.host.bare.median}};
  return j.dump(2) + "\n";
}

}  // namespace pagejit::bench
