#include "runtime/cache/bundle.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/cache/bundle_format.h"
#include "runtime/cache/bundle_write.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/root.h"
#include "tests/runtime/shared.h"
#include "tests/support/seed.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

std::string bundle_of(const std::string& path, const std::vector<int>& pages,
                      std::shared_ptr<const SigningKey> key = nullptr) {
  BundleWriter writer(path, std::move(key));
  for (int page : pages) writer.add(sample_entry(page));
  writer.finish();
  return read_file(path);
}

/// As pagejit-cache verify does; throws where anything is wrong.
void verify(const std::string& path) {
  Bundle(path).verify();
}

/// The bundle with its index's hash made right again, as somebody would who wants to be believed.
std::string with_good_hash(std::string bytes, std::uint64_t count) {
  std::size_t end = bundle_header(count) - hash_bytes;
  Hash hash = hash_of(std::string_view(bytes).substr(0, end));
  std::memcpy(bytes.data() + end, &hash.low, 8);
  std::memcpy(bytes.data() + end + 8, &hash.high, 8);
  return bytes;
}

void set64(std::string& bytes, std::size_t at, std::uint64_t value) {
  std::memcpy(bytes.data() + at, &value, 8);
}

TEST_CASE("a bundle gives what was put in, sorted by name, and nothing else") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack";
  bundle_of(path, {3, 1, 2});
  Bundle bundle(path);
  REQUIRE(bundle.items().size() == 3);
  for (int page : {1, 2, 3}) {
    const Bundle::Item* item = bundle.find(entry_name_of(page));
    REQUIRE(item);
    CHECK(bundle.read(*item) == sample_entry(page));
  }
  CHECK(std::is_sorted(bundle.items().begin(), bundle.items().end(),
                       [](const auto& a, const auto& b) { return a.name() < b.name(); }));
  CHECK_FALSE(bundle.find(entry_name_of(4)));
  CHECK_FALSE(bundle.find(""));
}

TEST_CASE("equal entries give equal bundles, whatever their order, folder, age and history") {
  TempFolder one, other;
  Disk first(one.path() + "/cache", Disk::Use::read_write), second(other.path() + "/cache", Disk::Use::read_write);
  for (int page = 1; page <= 5; ++page) {
    first.put(sample_request(page), sample_artifact_of(page), "cause=new-spec\ncreated=1\n", false);
    second.put(sample_request(6 - page), sample_artifact_of(6 - page), "cause=llvm\ncreated=2\n", false);
  }
  auto pack = [](const std::string& folder) {
    BundleWriter writer(folder + "/x.pjpack");
    CHECK(add_folder(writer, folder + "/cache").added == 5);
    writer.finish();
    return read_file(folder + "/x.pjpack");
  };
  CHECK(pack(one.path()) == pack(other.path()));
}

TEST_CASE("an entry of a name that is there already is dropped, and a damaged one is refused") {
  TempFolder folder;
  BundleWriter writer(folder.path() + "/a.pjpack");
  std::string entry = sample_entry(1), spoilt = entry;
  CHECK(writer.add(entry));
  CHECK_FALSE(writer.add(entry));
  spoilt[spoilt.size() / 2] ^= 1;
  CHECK(thrown([&] { writer.add(spoilt); }).code() == Code::damaged);
  CHECK(writer.size() == 1);
  CHECK(files_under(folder.path()).empty());  // nothing lies there before finish()
}

TEST_CASE("extracting gives the folder back, and counts what was there") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack", root = folder.path() + "/cache";
  bundle_of(path, {1, 2, 3});
  CHECK(extract_bundle(Bundle(path), root).added == 3);
  CHECK(extract_bundle(Bundle(path), root).present == 3);
  Disk disk(root, Disk::Use::read_write);
  CHECK(disk.files().size() == 3);
  CHECK(disk.get(wanted_by_compiler(sample_request(2)))->artifact.cubin == sample_artifact_of(2).cubin);
}

TEST_CASE("a bundle among the read-only layers serves; any producer's code will do") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack";
  bundle_of(path, {1, 2});
  auto compiler = std::make_shared<CountingCompiler>();
  compiler->producer_text = "llvm=99\n";
  EngineOptions options = options_for(folder.path() + "/cache");
  options.cache_ro = path;
  Engine engine(compiler, options);
  bool from_disk = false;
  engine.artifact(sample_request(1), &from_disk);
  CHECK(from_disk);
  engine.artifact(sample_request(3), &from_disk);
  CHECK_FALSE(from_disk);
  CHECK(engine.counters()["hits.bundle"] == 1);
}

TEST_CASE("every byte of a bundle is checked: flipped or cut anywhere, it is refused") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack", bytes = bundle_of(path, {1, 2});
  auto random = random_for("bundle flips");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string spoilt = bytes;
    spoilt[i] = static_cast<char>(spoilt[i] ^ (1u << random() % 8));
    write_file(path, spoilt);
    CAPTURE(i);
    REQUIRE(thrown([&] { verify(path); }).code() == Code::damaged);
  }
  for (std::size_t length = 0; length < bytes.size(); length += length < 300 ? 1 : 37) {
    write_file(path, bytes.substr(0, length));
    CAPTURE(length);
    REQUIRE(thrown([&] { verify(path); }).code() == Code::damaged);
  }
  write_file(path, bytes + "x");
  CHECK(thrown([&] { verify(path); }).code() == Code::damaged);
}

TEST_CASE("an index that lies with good checksums is refused before anything is allocated for it") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack", bytes = bundle_of(path, {1, 2});
  constexpr std::size_t count_at = 16, first = bundle_fixed, second = bundle_fixed + bundle_row;
  constexpr std::size_t offset_in_row = 24, bytes_in_row = 32;
  auto refused = [&](const std::string& spoilt) {
    write_file(path, with_good_hash(spoilt, 2));
    return std::string(thrown([&] { Bundle{path}; }).what());
  };
  auto with = [&](std::size_t at, std::uint64_t value) {
    std::string spoilt = bytes;
    set64(spoilt, at, value);
    return spoilt;
  };
  for (std::uint64_t count : {std::uint64_t{1} << 62, ~std::uint64_t{0}, std::uint64_t{1} << 21})
    CHECK(contains(refused(with(count_at, count)), "too many entries"));
  CHECK(contains(refused(with(second + offset_in_row, bundle_header(2))), "overlap"));
  CHECK(contains(refused(with(first + offset_in_row, ~std::uint64_t{0})), "overlap"));
  CHECK(contains(refused(with(first + bytes_in_row, std::uint64_t{1} << 40)), "too large"));
  CHECK(contains(refused(with(second + bytes_in_row, 1)), "do not fill"));
  CHECK(contains(refused(with(first, ~std::uint64_t{0})), "not sorted"));
}

TEST_CASE("a damaged entry of a bundle is a miss, the others still serve") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack", bytes = bundle_of(path, {1, 2});
  const Bundle::Item item = *Bundle(path).find(entry_name_of(1));
  bytes[item.offset + item.bytes / 2] ^= 1;
  write_file(path, bytes);
  LogCapture log;
  BundleLayer layer(path, nullptr, nullptr);
  CHECK_FALSE(layer.get(wanted_by_compiler(sample_request(1))));
  CHECK(layer.get(wanted_by_compiler(sample_request(2))));
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0008"));
  CHECK(contains(log.lines[0], path));
}

TEST_CASE("with a key, a bundle's unsigned entries are PJ0010 and signed ones serve") {
  TempFolder folder;
  auto key = std::make_shared<const SigningKey>(std::string(32, 'k'));
  std::string plain = folder.path() + "/plain.pjpack", good = folder.path() + "/signed.pjpack";
  bundle_of(plain, {1});
  bundle_of(good, {1}, key);
  LogCapture log;
  CHECK_FALSE(BundleLayer(plain, key, nullptr).get(wanted_by_compiler(sample_request(1))));
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0010"));
  CHECK(contains(log.lines[0], "has no signature"));
  CHECK(BundleLayer(good, key, nullptr).get(wanted_by_compiler(sample_request(1))));
  CHECK(extract_bundle(Bundle(plain), folder.path() + "/cache", key.get()).refused == 1);
}

TEST_CASE("a bundle that others may write is refused") {
  TempFolder folder;
  std::string path = folder.path() + "/a.pjpack";
  bundle_of(path, {1});
  chmod(path.c_str(), 0666);
  Error e = thrown([&] { Bundle{path}; });
  CHECK(e.code() == Code::unsafe_cache);
  CHECK(contains(e.what(), "0666"));
}
}  // namespace
}  // namespace pagejit::cache
