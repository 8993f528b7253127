// The file of one kernel: made from an artifact, read back, refused when any byte is not what was written.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/text.h"
#include "runtime/cache/format.h"

namespace pagejit::cache {

/// Equal artifacts give equal bytes apart from the HISTORY section, which is left out when `history` is empty.
/// Throws Error(argument) where the artifact is larger than an entry may be.
std::string write_entry(const Artifact& artifact, std::string_view history);

/// Where an entry's bytes come from: gives `bytes` of them from `offset`, fewer only at the end.
using ReadAt = std::function<std::string(std::uint64_t offset, std::size_t bytes)>;

/// An entry that is open. Each section is read, hashed and unpacked when it is asked for: a hit never touches IR and
/// log. Every failed check throws Error(damaged), which says what was wrong.
class Entry {
 public:
  /// Nothing where the format is newer than ours: for us, such a file is not there.
  static std::optional<Entry> open(ReadAt read, std::uint64_t size);
  static std::optional<Entry> open(std::string_view bytes);  // which must outlive the entry
  static std::optional<Entry> own(std::string bytes);

  bool has(Section id) const { return row(id) != nullptr; }
  /// Empty where the entry has no such section.
  std::string section(Section id) const;
  /// A section as it lies there, packed or not.
  std::string stored(const Row& row) const;
  /// The whole file, unchecked.
  std::string bytes() const { return read_(0, total_); }
  const std::vector<Row>& rows() const { return rows_; }
  std::uint64_t total_bytes() const { return total_; }

  std::string key_text() const { return section(Section::key); }
  std::string producer() const { return section(Section::producer); }
  KernelFacts facts() const { return KernelFacts::parse(section(Section::facts)); }
  /// The lines of history_text().
  std::vector<NameValue> history() const;
  /// All of it.
  Artifact artifact() const;
  /// What a launch needs: key, producer, facts and cubin.
  Artifact launchable() const;

 private:
  const Row* row(Section id) const;
  void read_header(std::string_view head, std::uint64_t size);
  void read_rows(std::string_view table);

  ReadAt read_;
  std::uint64_t total_ = 0;
  std::vector<Row> rows_;
};

/// "ms.emit=1.5" lines and back.
std::string history_text(const Artifact& artifact, std::string_view cause, std::int64_t unix_seconds);

/// Reads every section, as `pagejit-cache verify` does.
void verify_entry(const Entry& entry);

}  // namespace pagejit::cache
