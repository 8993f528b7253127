#include <algorithm>
#include <cstring>

#include "runtime/cache/codec.h"
#include "runtime/cache/format.h"
#include "tests/fuzz/fuzz.h"

namespace pagejit::fuzz {
namespace {
using namespace cache;
constexpr std::size_t count_at = 24, codec_in_row = 4, offset_in_row = 8, stored_in_row = 16, raw_in_row = 24,
                      hash_in_row = 32;

template <class T>
T get(const std::string& bytes, std::size_t at) {
  return Cursor(std::string_view(bytes).substr(at)).take<T>();
}

template <class T>
void set(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

void set_hash(std::string& bytes, std::size_t at, std::string_view of) {
  Hash hash = hash_of(of);
  set(bytes, at, hash.low);
  set(bytes, at + 8, hash.high);
}
}  // namespace

std::string entry_made_right(std::string bytes) {
  if (bytes.size() < header_bytes(0) + trailer_bytes) return bytes;
  std::size_t most = std::min<std::size_t>(most_sections, (bytes.size() - header_bytes(0) - trailer_bytes) / row_bytes);
  std::size_t sections = std::min<std::size_t>(get<std::uint32_t>(bytes, count_at), most);
  std::size_t at = header_bytes(sections), end = bytes.size() - trailer_bytes;
  bytes.replace(0, magic.size(), magic);
  set(bytes, magic.size(), format_number);
  set(bytes, magic.size() + 4, static_cast<std::uint32_t>(at));
  set(bytes, magic.size() + 8, std::uint64_t{bytes.size()});
  set(bytes, count_at, static_cast<std::uint32_t>(sections));
  for (std::size_t i = 0; i < sections; ++i) {
    std::size_t row = fixed_bytes + i * row_bytes;
    std::uint64_t stored = std::min<std::uint64_t>(get<std::uint64_t>(bytes, row + stored_in_row), end - at);
    if (i + 1 == sections) stored = end - at;
    set(bytes, row + offset_in_row, std::uint64_t{at});
    set(bytes, row + stored_in_row, stored);
    if (get<std::uint32_t>(bytes, row + codec_in_row) == 0) set(bytes, row + raw_in_row, stored);
    set_hash(bytes, row + hash_in_row, std::string_view(bytes).substr(at, stored));
    at += stored;
  }
  set_hash(bytes, header_bytes(sections) - hash_bytes,
           std::string_view(bytes).substr(0, header_bytes(sections) - hash_bytes));
  set(bytes, end, std::uint64_t{bytes.size()});
  bytes.replace(end + 8, magic.size(), magic);
  return bytes;
}

}  // namespace pagejit::fuzz
