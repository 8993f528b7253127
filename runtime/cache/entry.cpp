#include "runtime/cache/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/codec.h"

namespace pagejit::cache {
namespace {
struct Part {
  Row row;
  std::string stored;
};

Part make_part(Section id, std::string_view raw) {
  if (raw.size() > most_section)
    fail(Code::argument, fmt::format("a section of a cache entry has {} bytes", raw.size()),
         {{"expected", fmt::format("at most {}", most_section)}});
  bool text = id == Section::ptx || id == Section::ir || id == Section::log;
  Part part{{static_cast<std::uint32_t>(id), 0, 0, 0, raw.size(), {}}, std::string(raw)};
  if (text) {
    std::string packed = pack(raw);
    // A text that packs better than a reader would believe is stored as it is.
    if (packed.size() < raw.size() && raw.size() <= most_ratio * packed.size()) {
      part.stored = std::move(packed);
      part.row.codec = static_cast<std::uint32_t>(Codec::zstd);
    }
  }
  part.row.stored = part.stored.size();
  part.row.hash = hash_of(part.stored);
  return part;
}

std::vector<Part> make_parts(const Artifact& a, std::string_view history) {
  std::vector<Part> parts{make_part(Section::key, a.key_text), make_part(Section::producer, a.producer),
                          make_part(Section::facts, a.facts.text())};
  std::pair<Section, std::string_view> optional[] = {{Section::cubin, a.cubin},
                                                     {Section::ptx, a.ptx},
                                                     {Section::ir, a.ir},
                                                     {Section::log, a.log},
                                                     {Section::history, history}};
  for (const auto& [id, raw] : optional)
    if (!raw.empty()) parts.push_back(make_part(id, raw));
  return parts;
}

void append_row(std::string& out, const Row& row) {
  append(out, row.id);
  append(out, row.codec);
  append(out, row.offset);
  append(out, row.stored);
  append(out, row.raw);
  append(out, row.hash.low);
  append(out, row.hash.high);
}

void read_history(Artifact& a, const std::string& text) {
  for (std::string_view line : split(text, '\n')) {
    auto [name, value] = split_name_value(line);
    if (name.starts_with("ms.")) a.ms[name.substr(3)] = std::strtod(value.c_str(), nullptr);
  }
}
}  // namespace

std::string write_entry(const Artifact& artifact, std::string_view history) {
  std::vector<Part> parts = make_parts(artifact, history);
  std::uint64_t offset = header_bytes(parts.size());
  for (Part& part : parts) {
    part.row.offset = offset;
    offset += part.row.stored;
  }
  std::uint64_t total = offset + trailer_bytes;
  if (total > most_total)
    fail(Code::argument, fmt::format("a cache entry would have {} bytes", total),
         {{"expected", fmt::format("at most {}", most_total)}});

  std::string out(magic);
  append(out, format_number);
  append(out, static_cast<std::uint32_t>(header_bytes(parts.size())));
  append(out, total);
  append(out, static_cast<std::uint32_t>(parts.size()));
  append(out, std::uint32_t{0});
  for (const Part& part : parts) append_row(out, part.row);
  Hash hash = hash_of(out);
  append(out, hash.low);
  append(out, hash.high);
  for (const Part& part : parts) out += part.stored;
  append(out, total);
  out += magic;
  return out;
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

Artifact Entry::artifact() const {
  Artifact a = launchable();
  a.ptx = section(Section::ptx);
  a.ir = section(Section::ir);
  a.log = section(Section::log);
  read_history(a, section(Section::history));
  return a;
}

void verify_entry(const Entry& entry) {
  for (const Row& row : entry.rows()) entry.section(static_cast<Section>(row.id));
  entry.facts();
}

}  // namespace pagejit::cache
