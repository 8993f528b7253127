#include "tools/device_memory.h"

#include <algorithm>
#include <random>
#include <vector>

namespace pagejit {

void fill_with_noise(Context& context, std::byte* device, std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> noise(std::min<std::size_t>(bytes / 8 + 1, 1 << 20));
  for (std::uint64_t& n : noise) n = random();
  std::size_t block = noise.size() * 8;
  for (std::size_t at = 0; at < bytes; at += block)
    context.copy_in(device + at, noise.data(), std::min(block, bytes - at));
}

}  // namespace pagejit
