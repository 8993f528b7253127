// Packing of sections.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/cache/format.h"

namespace pagejit::cache {

Hash hash_of(std::string_view bytes);
std::string pack(std::string_view raw);
/// Throws Error(damaged) unless exactly `raw_bytes` come out.
std::string unpack(std::string_view packed, std::uint64_t raw_bytes);

}  // namespace pagejit::cache
