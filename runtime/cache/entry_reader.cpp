#include <fmt/format.h>

#include <memory>

#include "runtime/base/error.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/entry.h"

namespace pagejit::cache {
namespace {
void require(bool holds, std::string_view what) {
  if (!holds) fail(Code::damaged, fmt::format("a cache entry is damaged: {}", what));
}

std::string exactly(const ReadAt& read, std::uint64_t offset, std::size_t bytes) {
  std::string got = read(offset, bytes);
  require(got.size() == bytes, "the file is shorter than it says");
  return got;
}

/// The format number, where the bytes begin as an entry does.
std::uint32_t format_of(std::string_view head) {
  require(head.size() >= fixed_bytes, "the file is shorter than a header");
  require(head.substr(0, magic.size()) == magic, "it does not begin with PJKERNEL");
  return Cursor(head.substr(magic.size())).take<std::uint32_t>();
}

std::size_t table_bytes(std::string_view head) {
  Cursor cursor(head.substr(magic.size() + 4));
  auto bytes = cursor.take<std::uint32_t>();
  cursor.take<std::uint64_t>();
  auto sections = cursor.take<std::uint32_t>();
  require(sections <= most_sections, "it has too many sections");
  require(bytes == header_bytes(sections), "the header's length does not fit its sections");
  return bytes;
}

Row take_row(Cursor& cursor) {
  Row row;
  row.id = cursor.take<std::uint32_t>();
  row.codec = cursor.take<std::uint32_t>();
  row.offset = cursor.take<std::uint64_t>();
  row.stored = cursor.take<std::uint64_t>();
  row.raw = cursor.take<std::uint64_t>();
  row.hash.low = cursor.take<std::uint64_t>();
  row.hash.high = cursor.take<std::uint64_t>();
  return row;
}

void check_row(const Row& row) {
  require(row.stored <= most_section && row.raw <= most_section, "a section is too large");
  bool zstd = row.codec == static_cast<std::uint32_t>(Codec::zstd);
  require(zstd || row.codec == static_cast<std::uint32_t>(Codec::raw), "a section is packed in an unknown way");
  require(zstd ? row.raw <= most_ratio * row.stored : row.raw == row.stored, "a section's sizes do not fit together");
}
}  // namespace

std::optional<Entry> Entry::open(ReadAt read, std::uint64_t size) {
  std::string head = read(0, fixed_bytes);
  if (format_of(head) > format_number) return std::nullopt;
  head = exactly(read, 0, table_bytes(head));
  Entry entry;
  entry.read_ = std::move(read);
  entry.read_header(head, size);
  return entry;
}

std::optional<Entry> Entry::open(std::string_view bytes) {
  auto read = [bytes](std::uint64_t offset, std::size_t count) {
    return offset <= bytes.size() ? std::string(bytes.substr(offset, count)) : std::string();
  };
  return open(read, bytes.size());
}

std::optional<Entry> Entry::own(std::string bytes) {
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  auto read = [kept](std::uint64_t offset, std::size_t count) {
    return offset <= kept->size() ? kept->substr(offset, count) : std::string();
  };
  return open(read, kept->size());
}

void Entry::read_header(std::string_view head, std::uint64_t size) {
  std::string_view hashed = head.substr(0, head.size() - hash_bytes);
  Cursor stored(head.substr(hashed.size()));
  Hash hash = hash_of(hashed);
  require(stored.take<std::uint64_t>() == hash.low && stored.take<std::uint64_t>() == hash.high,
          "the header's hash differs");

  Cursor fixed(hashed.substr(magic.size()));
  require(fixed.take<std::uint32_t>() == format_number, "the format number is not one that ever was");
  fixed.take<std::uint32_t>();
  total_ = fixed.take<std::uint64_t>();
  require(total_ <= most_total, "it is too large");
  require(total_ == size, "the file's length is not what the header says");
  read_rows(hashed.substr(fixed_bytes));

  std::string trailer = exactly(read_, total_ - trailer_bytes, trailer_bytes);
  Cursor end(trailer);
  require(end.take<std::uint64_t>() == total_ && std::string_view(trailer).substr(8) == magic, "the trailer differs");
}

void Entry::read_rows(std::string_view table) {
  std::uint64_t expected = header_bytes(table.size() / row_bytes);
  Cursor cursor(table);
  for (std::size_t i = 0; i < table.size() / row_bytes; ++i) {
    Row row = take_row(cursor);
    check_row(row);
    require(row.offset == expected, "sections overlap or leave gaps");
    expected += row.stored;
    rows_.push_back(row);
  }
  require(expected + trailer_bytes == total_, "the sections do not fill the file");
}

const Row* Entry::row(Section id) const {
  for (const Row& row : rows_)
    if (row.id == static_cast<std::uint32_t>(id)) return &row;
  return nullptr;
}

std::string Entry::stored(const Row& row) const {
  std::string stored = exactly(read_, row.offset, row.stored);
  require(hash_of(stored) == row.hash, fmt::format("the hash of section {} differs", row.id));
  return stored;
}

std::string Entry::section(Section id) const {
  const Row* found = row(id);
  if (!found) return {};
  std::string packed = stored(*found);
  return found->codec == static_cast<std::uint32_t>(Codec::zstd) ? unpack(packed, found->raw) : packed;
}

}  // namespace pagejit::cache
