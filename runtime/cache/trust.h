// Files that decide what code runs: they must belong to root or to this user, and nobody else may write them.
#pragma once
#include <sys/stat.h>

#include <string>

namespace pagejit::cache {

/// Throws Error(unsafe_cache) with owner and mode where the file belongs to another user or has one of these bits.
/// `instead` says what is done without it.
void require_trusted(const std::string& path, const struct stat& status, mode_t refused_bits,
                     const std::string& instead);

}  // namespace pagejit::cache
