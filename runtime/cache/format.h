// The bytes of an entry, as numbers: header, section table, trailer. All little-endian. entry.{h,cpp} writes and reads
// them.
//
//   header   magic "PJKERNEL" · format u32 · header bytes u32 · total bytes u64 · section count u32 · flags u32
//            per section: id u32 · codec u32 · offset u64 · stored u64 · raw u64 · XXH3-128 of the stored bytes
//            XXH3-128 of the header so far
//   sections one after the other, without gaps: so each byte of a file is under one hash
//   trailer  total bytes u64 · magic
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pagejit::cache {

static_assert(std::endian::native == std::endian::little, "entries are read and written as they lie in memory");

constexpr std::string_view magic = "PJKERNEL";
constexpr std::uint32_t format_number = 1;

/// In the order in which they are written: what a hit needs comes first.
enum class Section : std::uint32_t { key = 1, producer, facts, cubin, ptx, ir, log, history, auth };
enum class Codec : std::uint32_t { raw = 0, zstd = 1 };

// Refused before anything is allocated for them.
constexpr std::uint64_t most_total = 64u << 20, most_section = 32u << 20, most_sections = 32, most_ratio = 64;

constexpr std::size_t fixed_bytes = 8 + 4 + 4 + 8 + 4 + 4;
constexpr std::size_t row_bytes = 4 + 4 + 8 + 8 + 8 + 16;
constexpr std::size_t hash_bytes = 16;
constexpr std::size_t trailer_bytes = 16;

constexpr std::size_t header_bytes(std::size_t sections) {
  return fixed_bytes + sections * row_bytes + hash_bytes;
}

struct Hash {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash&) const = default;
};

struct Row {
  std::uint32_t id = 0;
  std::uint32_t codec = 0;
  std::uint64_t offset = 0, stored = 0, raw = 0;
  Hash hash;
};

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Takes numbers off the front; the caller has checked the length.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }

 private:
  std::string_view bytes_;
};

}  // namespace pagejit::cache
