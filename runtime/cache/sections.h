// Entries taken apart and put together again without unpacking them: for whoever drops or adds a section.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/cache/entry.h"

namespace pagejit::cache {

/// A section as it is stored. Its place and its hash follow.
struct StoredSection {
  std::uint32_t id = 0, codec = 0;
  std::uint64_t raw = 0;
  std::string bytes;
};

/// Throws Error(damaged) where a section's hash differs.
std::vector<StoredSection> sections_of(const Entry& entry);
/// Header, sections, trailer. Throws Error(argument) where that is larger than an entry may be.
std::string join_sections(const std::vector<StoredSection>& sections);
/// The sections without those of this kind.
std::vector<StoredSection> without(std::vector<StoredSection> sections, Section id);
/// The file name that follows from what the entry holds, whatever name it was found under.
std::string name_of(const Entry& entry);

}  // namespace pagejit::cache
