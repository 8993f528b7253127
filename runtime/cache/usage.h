// What a private root holds, kept in its file `size` so that a store need not count the whole folder.
#pragma once
#include <cstdint>

namespace pagejit::cache {

struct Usage {
  std::uint64_t bytes = 0, entries = 0;
  std::int64_t counted = 0;  // when the folder was last counted, in seconds since 1970; 0: never
};

/// What the file says; a file that is absent or damaged says "never counted".
Usage read_usage(int folder);
/// Adds to what it says, and gives the sum. Where there is no lock an update may be lost: counting corrects that.
Usage add_usage(int folder, std::int64_t bytes, std::int64_t entries);
void write_usage(int folder, const Usage& usage);

}  // namespace pagejit::cache
