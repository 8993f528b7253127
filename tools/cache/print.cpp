#include "tools/cache/print.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "runtime/base/text.h"

namespace pagejit::cache_tool {
namespace {

using Json = nlohmann::ordered_json;
constexpr int schema = 1;

/// Facts that nobody has measured yet are −1.
std::string known(int value) {
  return value < 0 ? "–" : std::to_string(value);
}
Json known_json(int value) {
  return value < 0 ? Json() : Json(value);
}

std::string time_text(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

int spills(const KernelFacts& f) {
  return f.spill_store < 0 ? -1 : f.spill_store + f.spill_load;
}

Json entry_json(const Listed& l) {
  return {{"key", hex64(l.request.key_id)},
          {"spec_id", hex64(l.request.spec_id)},
          {"spec", l.request.spec_line},
          {"target", l.request.target},
          {"registers", known_json(l.facts.registers)},
          {"spills", known_json(spills(l.facts))},
          {"shared", l.facts.dynamic_shared},
          {"bytes", l.bytes},
          {"last_use", l.last_use},
          {"file", l.file}};
}

Json damage_json(const std::vector<Damage>& damaged) {
  Json all = Json::array();
  for (const Damage& d : damaged) all.push_back({{"file", d.file}, {"reason", d.reason}});
  return all;
}

/// Lines of a text, each under its heading.
std::string indented(std::string_view heading, const std::string& lines) {
  std::string text = fmt::format("{}\n", heading);
  for (std::string_view line : split(lines, '\n')) text += fmt::format("  {}\n", line);
  return text;
}

}  // namespace

std::string list_as_text(const std::vector<Listed>& entries) {
  std::string text = fmt::format("{:<16}  {:<8} {:>5} {:>6} {:>6} {:>8}  {:<16}  {}\n", "key", "target", "regs",
                                 "spills", "shared", "bytes", "last use (UTC)", "spec");
  for (const Listed& l : entries)
    text += fmt::format("{:<16}  {:<8} {:>5} {:>6} {:>6} {:>8}  {:<16}  {}\n", hex64(l.request.key_id),
                        l.request.target, known(l.facts.registers), known(spills(l.facts)), l.facts.dynamic_shared,
                        l.bytes, time_text(l.last_use), l.request.spec_line);
  return text;
}

std::string list_as_json(const std::vector<Listed>& entries, const std::vector<Damage>& damaged) {
  Json all = Json::array();
  for (const Listed& l : entries) all.push_back(entry_json(l));
  return Json{{"schema", schema}, {"entries", all}, {"damaged", damage_json(damaged)}}.dump(2) + "\n";
}

std::string show_as_text(const Listed& l, const Artifact& a, const std::string& folder) {
  std::string text = fmt::format("spec      {}\ntarget    {}\nkey       {}\nspec id   {}\n", l.request.spec_line,
                                 l.request.target, hex64(l.request.key_id), hex64(l.request.spec_id));
  text += fmt::format("bytes     {} (PTX {}, cubin {}, IR {}, log {})\n", l.bytes, a.ptx.size(), a.cubin.size(),
                      a.ir.size(), a.log.size());
  text += fmt::format("last use  {} UTC, within an hour\nlayer     {}\nfile      {}\n", time_text(l.last_use), folder,
                      l.file);
  text += indented("producer", l.producer) + indented("facts", l.facts.text());
  std::string stages;
  for (const auto& [stage, ms] : a.ms) stages += fmt::format("{} {:.2f}\n", stage, ms);
  return stages.empty() ? text : text + indented("milliseconds", stages);
}

std::string show_as_json(const Listed& l, const Artifact& a, const std::string& folder) {
  Json j = entry_json(l);
  j["schema"] = schema;
  j["layer"] = folder;
  j["producer"] = l.producer;
  j["facts"] = l.facts.text();
  j["sections"] = {{"ptx", a.ptx.size()}, {"cubin", a.cubin.size()}, {"ir", a.ir.size()}, {"log", a.log.size()}};
  j["ms"] = a.ms;
  return j.dump(2) + "\n";
}

std::string verify_as_text(std::size_t checked, const std::vector<Damage>& damaged) {
  std::string text;
  for (const Damage& d : damaged) text += fmt::format("damaged  {}  {}\n", d.file, d.reason);
  return text + fmt::format("{} entries checked, {} damaged\n", checked, damaged.size());
}

std::string verify_as_json(std::size_t checked, const std::vector<Damage>& damaged) {
  return Json{{"schema", schema}, {"checked", checked}, {"damaged", damage_json(damaged)}}.dump(2) + "\n";
}

}  // namespace pagejit::cache_tool
