#include "runtime/cache/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/sections.h"

namespace pagejit::cache {
namespace {
StoredSection make_section(Section id, std::string_view raw) {
  if (raw.size() > most_section)
    fail(Code::argument, fmt::format("a section of a cache entry has {} bytes", raw.size()),
         {{"expected", fmt::format("at most {}", most_section)}});
  bool text = id == Section::ptx || id == Section::ir || id == Section::log;
  StoredSection made{static_cast<std::uint32_t>(id), 0, raw.size(), std::string(raw)};
  if (text) {
    std::string packed = pack(raw);
    // A text that packs better than a reader would believe is stored as it is.
    if (packed.size() < raw.size() && raw.size() <= most_ratio * packed.size()) {
      made.bytes = std::move(packed);
      made.codec = static_cast<std::uint32_t>(Codec::zstd);
    }
  }
  return made;
}

std::vector<StoredSection> make_sections(const Artifact& a, std::string_view history) {
  std::vector<StoredSection> made{make_section(Section::key, a.key_text), make_section(Section::producer, a.producer),
                                  make_section(Section::facts, a.facts.text())};
  std::pair<Section, std::string_view> optional[] = {{Section::cubin, a.cubin},
                                                     {Section::ptx, a.ptx},
                                                     {Section::ir, a.ir},
                                                     {Section::log, a.log},
                                                     {Section::history, history}};
  for (const auto& [id, raw] : optional)
    if (!raw.empty()) made.push_back(make_section(id, raw));
  return made;
}

}  // namespace

std::string write_entry(const Artifact& artifact, std::string_view history) {
  return join_sections(make_sections(artifact, history));
}

std::string history_text(const Artifact& artifact, std::string_view cause, std::int64_t unix_seconds) {
  std::string text = fmt::format("cause={}\ncreated={}\n", percent_escape(cause), unix_seconds);
  for (const auto& [stage, ms] : artifact.ms) text += fmt::format("ms.{}={:.3f}\n", stage, ms);
  return text;
}

Artifact Entry::launchable() const {
  Artifact a;
  a.key_text = key_text();
  a.producer = producer();
  a.facts = facts();
  a.cubin = section(Section::cubin);
  return a;
}

std::vector<NameValue> Entry::history() const {
  std::vector<NameValue> lines;
  std::string text = section(Section::history);
  try {
    for (std::string_view line : split(text, '\n')) {
      auto [name, value] = split_name_value(line);
      lines.emplace_back(std::move(name), percent_unescape(value));
    }
  } catch (const Error& e) {
    fail(Code::damaged, fmt::format("a cache entry's history cannot be read: {}", e.message()));
  }
  return lines;
}

Artifact Entry::artifact() const {
  Artifact a = launchable();
  a.ptx = section(Section::ptx);
  a.ir = section(Section::ir);
  a.log = section(Section::log);
  for (const auto& [name, value] : history())
    if (name.starts_with("ms.")) a.ms[name.substr(3)] = std::strtod(value.c_str(), nullptr);
  return a;
}

void verify_entry(const Entry& entry) {
  for (const Row& row : entry.rows()) entry.section(static_cast<Section>(row.id));
  entry.facts();
  entry.history();
}

}  // namespace pagejit::cache
