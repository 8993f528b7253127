// The bytes of a bundle (.pjpack), as numbers. All little-endian.
//
//   header   magic "PJBUNDLE" · format u32 · flags u32 (0) · entry count u64 · total bytes u64
//            per entry, sorted: spec u64 · key u64 · producer u64 · offset u64 · bytes u64 · XXH3-128 of its bytes
//            XXH3-128 of all so far
//   entries  as files have them, in that order and without gaps: so each byte is under one hash
//   trailer  total bytes u64 · magic
//
// The three ids are an entry's file name, so no name in a bundle can lead out of a folder.
#pragma once
#include "runtime/cache/format.h"

namespace pagejit::cache {

constexpr std::string_view bundle_magic = "PJBUNDLE";
constexpr std::uint32_t bundle_format = 1;
constexpr std::size_t bundle_fixed = 8 + 4 + 4 + 8 + 8, bundle_row = 3 * 8 + 8 + 8 + 16;
constexpr std::uint64_t most_bundle_entries = 1u << 20;

constexpr std::uint64_t bundle_header(std::uint64_t entries) {
  return bundle_fixed + entries * bundle_row + hash_bytes;
}

}  // namespace pagejit::cache
