#include "runtime/cache/sections.h"

#include <fmt/format.h>

#include "runtime/base/error.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
void append_row(std::string& out, const StoredSection& section, std::uint64_t offset) {
  Hash hash = hash_of(section.bytes);
  append(out, section.id);
  append(out, section.codec);
  append(out, offset);
  append(out, static_cast<std::uint64_t>(section.bytes.size()));
  append(out, section.raw);
  append(out, hash.low);
  append(out, hash.high);
}

std::uint64_t total_of(const std::vector<StoredSection>& sections) {
  std::uint64_t total = header_bytes(sections.size()) + trailer_bytes;
  for (const StoredSection& section : sections) total += section.bytes.size();
  if (total > most_total || sections.size() > most_sections)
    fail(Code::argument, fmt::format("a cache entry would have {} bytes in {} sections", total, sections.size()),
         {{"expected", fmt::format("at most {} bytes in {} sections", most_total, most_sections)}});
  return total;
}
}  // namespace

std::vector<StoredSection> sections_of(const Entry& entry) {
  std::vector<StoredSection> sections;
  for (const Row& row : entry.rows()) sections.push_back({row.id, row.codec, row.raw, entry.stored(row)});
  return sections;
}

std::string join_sections(const std::vector<StoredSection>& sections) {
  std::uint64_t total = total_of(sections), offset = header_bytes(sections.size());
  std::string out(magic);
  out.reserve(total);
  append(out, format_number);
  append(out, static_cast<std::uint32_t>(offset));
  append(out, total);
  append(out, static_cast<std::uint32_t>(sections.size()));
  append(out, std::uint32_t{0});
  for (const StoredSection& section : sections) {
    append_row(out, section, offset);
    offset += section.bytes.size();
  }
  Hash hash = hash_of(out);
  append(out, hash.low);
  append(out, hash.high);
  for (const StoredSection& section : sections) out += section.bytes;
  append(out, total);
  out += magic;
  return out;
}

std::vector<StoredSection> without(std::vector<StoredSection> sections, Section id) {
  std::erase_if(sections, [id](const StoredSection& s) { return s.id == static_cast<std::uint32_t>(id); });
  return sections;
}

std::string name_of(const Entry& entry) {
  return entry_name(request_of_key(entry.key_text()), entry.producer());
}

}  // namespace pagejit::cache
