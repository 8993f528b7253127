// How long pagejit-cache takes over a large cache. PAGEJIT_TEST_ALL=1 makes it 1 GiB.
#include <chrono>
#include <random>

#include "runtime/base/settings.h"
#include "tests/support/seed.h"
#include "tests/tools/cache_tool_fixture.h"

using namespace pagejit;

namespace {

std::string random_bytes(std::mt19937_64& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Packs about as well as PTX and IR do: lines that are alike but for their numbers.
std::string random_lines(std::mt19937_64& random, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += "  ld.global.v4.b32 {%r" + std::to_string(random() % 9999) + ", %r" + std::to_string(random() % 9999) +
            "}, [%rd" + std::to_string(random() % 999) + "];\n";
  return text;
}

std::uint64_t bytes_under(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder))
    if (file.is_regular_file()) bytes += file.file_size();
  return bytes;
}

}  // namespace

TEST_CASE("pagejit-cache verify: 1 GiB takes at most 3 seconds, and every byte was read") {
  bool all = Settings::process().test_all == "1";
  std::uint64_t wanted = all ? 1ull << 30 : 32ull << 20;
  FilledCache cache;
  auto random = random_for("verify");
  std::string cubin = random_bytes(random, 20'000), ptx = random_lines(random, 12'000),
              ir = random_lines(random, 24'000);
  int page = 100;
  {
    cache::Disk disk(cache.root(), cache::Disk::Use::read_write,
                     {.group = false, .limits = {4ull << 30, 100'000}, .journal = nullptr});
    for (std::uint64_t bytes = 0; bytes < wanted; ++page) {
      Artifact a = FilledCache::artifact(FilledCache::request(page), page);
      a.cubin = cubin + std::to_string(page);
      a.ptx = ptx;
      a.ir = ir;
      disk.put(FilledCache::request(page), a, "", false);
      if (page == 100) continue;
      bytes += std::filesystem::file_size(cache.path(page));
    }
  }
  std::uint64_t bytes = bytes_under(cache.root());
  auto start = std::chrono::steady_clock::now();
  Ran ran = cache.run("verify");
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MESSAGE("verify of " << (page - 98) << " entries, " << (bytes >> 20) << " MiB: " << seconds << " s");
  CHECK(ran.code == 0);
  CHECK(has(ran.out, std::to_string(page - 98) + " entries checked, 0 damaged"));
#ifndef __SANITIZE_ADDRESS__
  CHECK(seconds <= 3);
#endif
  cache.spoil(page - 1);
  CHECK(cache.run("verify").code == 4);
}
