// Many entries in one file: refused as damaged, or each entry is found under its name and read.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/cache/bundle.h"
#include "runtime/cache/bundle_format.h"
#include "runtime/cache/bundle_write.h"
#include "runtime/cache/codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/runtime/shared.h"

namespace pagejit::fuzz {
namespace {
using namespace cache;
constexpr std::size_t count_at = 16, size_at = 24, offset_in_row = 24, bytes_in_row = 32, hash_in_row = 40;

bool reads(std::string_view bytes) {
  Fd file(memfd_create("bundle", MFD_CLOEXEC));
  expect(file && fchmod(file.get(), 0600) == 0 &&
             write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
         "a file in memory can be had");
  return taken(Code::damaged, [&] {
    Bundle bundle("/proc/self/fd/" + std::to_string(file.get()));
    for (const Bundle::Item& item : bundle.items())
      expect(bundle.find(item.name()) == &item, "an entry is found under its name");
    bundle.verify();
  });
}

void set64(std::string& bytes, std::size_t at, std::uint64_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::uint64_t get64(const std::string& bytes, std::size_t at) {
  return Cursor(std::string_view(bytes).substr(at)).take<std::uint64_t>();
}

void set_hash(std::string& bytes, std::size_t at, std::string_view of) {
  Hash hash = hash_of(of);
  set64(bytes, at, hash.low);
  set64(bytes, at + 8, hash.high);
}

/// As entry_made_right(), of the bundle and of each entry in it; names stay what they are.
std::string made_right(std::string bytes) {
  if (bytes.size() < bundle_header(0) + trailer_bytes) return bytes;
  std::uint64_t count =
      std::min(get64(bytes, count_at), (bytes.size() - bundle_header(0) - trailer_bytes) / bundle_row);
  std::uint64_t at = bundle_header(count), end = bytes.size() - trailer_bytes;
  bytes.replace(0, bundle_magic.size(), bundle_magic);
  set64(bytes, bundle_magic.size(), bundle_format);  // and no flags
  set64(bytes, count_at, count);
  set64(bytes, size_at, bytes.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    std::size_t row = bundle_fixed + i * bundle_row;
    std::uint64_t length = i + 1 == count ? end - at : std::min(get64(bytes, row + bytes_in_row), end - at);
    bytes.replace(at, length, entry_made_right(bytes.substr(at, length)));
    set64(bytes, row + offset_in_row, at);
    set64(bytes, row + bytes_in_row, length);
    set_hash(bytes, row + hash_in_row, std::string_view(bytes).substr(at, length));
    at += length;
  }
  std::size_t hashed = bundle_header(count) - hash_bytes;
  set_hash(bytes, hashed, std::string_view(bytes).substr(0, hashed));
  set64(bytes, end, bytes.size());
  bytes.replace(end + 8, bundle_magic.size(), bundle_magic);
  return bytes;
}

std::string bundle_of(const std::vector<int>& pages) {
  testing::TempFolder folder;
  std::string path = folder.path() + "/a.pjpack";
  BundleWriter writer(path);
  for (int page : pages) writer.add(testing::sample_entry(page));
  writer.finish();
  return testing::read_file(path);
}
}  // namespace

bool accepts(std::string_view input) {
  bool as_it_is = reads(input), repaired = reads(made_right(std::string(input)));
  return as_it_is || repaired;
}

std::vector<std::string> seeds() {
  return {bundle_of({}), bundle_of({1}), bundle_of({1, 2, 3})};
}

}  // namespace pagejit::fuzz
