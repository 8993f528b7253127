#include "runtime/cache/codec.h"

#include <xxhash.h>
#include <zstd.h>

#include "runtime/base/error.h"

namespace pagejit::cache {

Hash hash_of(std::string_view bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::string pack(std::string_view raw) {
  std::string packed(ZSTD_compressBound(raw.size()), '\0');
  std::size_t size = ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 3);
  if (ZSTD_isError(size)) fail(Code::internal, std::string("zstd cannot pack a section: ") + ZSTD_getErrorName(size));
  packed.resize(size);
  return packed;
}

std::string unpack(std::string_view packed, std::uint64_t raw_bytes) {
  std::string raw(raw_bytes, '\0');
  std::size_t size = ZSTD_decompress(raw.data(), raw.size(), packed.data(), packed.size());
  if (ZSTD_isError(size)) fail(Code::damaged, std::string("a section cannot be unpacked: ") + ZSTD_getErrorName(size));
  if (size != raw_bytes) fail(Code::damaged, "a section unpacks to another size than the table says");
  return raw;
}

}  // namespace pagejit::cache
