#include "runtime/cache/entry.h"

#include <doctest/doctest.h>

#include "runtime/cache/codec.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit::cache {
namespace {
using pagejit::testing::contains;
using pagejit::testing::sample_artifact;
using pagejit::testing::thrown;

/// Opens and reads every section.
void read_all(std::string_view bytes) {
  std::optional<Entry> entry = Entry::open(bytes);
  if (entry) verify_entry(*entry);
}

TEST_CASE("an entry gives back what was put into it") {
  Artifact a = sample_artifact();
  std::string bytes = write_entry(a, history_text(a, "new-spec", 1700000000));
  Artifact b = Entry::open(bytes)->artifact();
  CHECK(b.key_text == a.key_text);
  CHECK(b.producer == a.producer);
  CHECK(b.facts.text() == a.facts.text());
  CHECK(b.cubin == a.cubin);
  CHECK(b.ptx == a.ptx);
  CHECK(b.ir == a.ir);
  CHECK(b.log == a.log);
  CHECK(b.ms.at("codegen") == 1.5);
}

TEST_CASE("equal artifacts give equal bytes, whatever their history") {
  Artifact a = sample_artifact(), b = sample_artifact();
  b.ms["codegen"] = 99;
  CHECK(write_entry(a, "") == write_entry(b, ""));
  CHECK(write_entry(a, history_text(a, "new-spec", 1)) != write_entry(b, history_text(b, "new-spec", 2)));
}

TEST_CASE("the header begins with the magic, the format number and the header's length") {
  std::string bytes = write_entry(sample_artifact(), "");
  CHECK(bytes.substr(0, 8) == "PJKERNEL");
  Cursor cursor(std::string_view(bytes).substr(8));
  CHECK(cursor.take<std::uint32_t>() == 1);
  CHECK(cursor.take<std::uint32_t>() == header_bytes(7));
  CHECK(cursor.take<std::uint64_t>() == bytes.size());
  CHECK(cursor.take<std::uint32_t>() == 7);
  CHECK(bytes.substr(bytes.size() - 8) == "PJKERNEL");
}

TEST_CASE("key, producer, facts and cubin come first, and the cubin is stored as it is") {
  Artifact a = sample_artifact();
  std::string bytes = write_entry(a, "");
  std::optional<Entry> entry = Entry::open(bytes);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(entry->rows()[i].id == i + 1);
  CHECK(contains(bytes, a.cubin));
}

TEST_CASE("each flipped bit of an entry is detected") {
  std::string bytes = write_entry(sample_artifact(), "created=1\n");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CAPTURE(at);
    std::string spoilt = bytes;
    spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << (at % 8)));
    // A format number above ours is no damage: for us such a file is not there.
    bool newer_format = at >= 8 && at < 12 && spoilt[at] != 0;
    if (newer_format)
      REQUIRE_FALSE(Entry::open(spoilt).has_value());
    else
      REQUIRE(thrown([&] { read_all(spoilt); }).code() == Code::damaged);
  }
}

TEST_CASE("an entry that was cut anywhere, or has a byte too many, is detected") {
  std::string bytes = write_entry(sample_artifact(), "created=1\n");
  for (std::size_t length = 0; length < bytes.size(); ++length)
    REQUIRE(thrown([&] { read_all(std::string_view(bytes).substr(0, length)); }).code() == Code::damaged);
  CHECK(thrown([&] { read_all(bytes + "x"); }).code() == Code::damaged);
}

TEST_CASE("random bytes behind a good magic never do more than throw") {
  auto random = random_for("garbage entries");
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(magic);
    append(bytes, format_number);
    std::uint32_t sections = random() % 40;
    append(bytes, static_cast<std::uint32_t>(i % 2 ? header_bytes(sections) : random()));
    append(bytes, std::uint64_t{random() % 5000});
    append(bytes, sections);
    for (std::size_t n = random() % 3000; n > 0; --n) bytes += static_cast<char>(random());
    REQUIRE(thrown([&] { read_all(bytes); }).code() == Code::damaged);
  }
}

/// A header whose hash is right though its numbers are not: what a hash does not protect against.
std::string forged(Row row, std::uint64_t total) {
  std::string out(magic);
  append(out, format_number);
  append(out, static_cast<std::uint32_t>(header_bytes(1)));
  append(out, total);
  append(out, std::uint32_t{1});
  append(out, std::uint32_t{0});
  append(out, row.id), append(out, row.codec), append(out, row.offset), append(out, row.stored), append(out, row.raw);
  append(out, row.hash.low), append(out, row.hash.high);
  std::string hash = hash128_hex(out);
  append(out, hash64(out));
  append(out, std::stoull(hash.substr(0, 16), nullptr, 16));
  return out;
}

TEST_CASE("sizes and offsets that no entry can have are refused before anything is allocated") {
  auto said = [](Row row, std::uint64_t total) {
    std::string bytes = forged(row, total);
    return thrown([&] {
             Entry::open([&](std::uint64_t o,
                             std::size_t n) { return bytes.substr(std::min<std::size_t>(o, bytes.size()), n); },
                         total);
           })
        .message();
  };
  std::uint64_t at = header_bytes(1), huge = most_section + 1;
  CHECK(contains(said({1, 0, at, huge, huge, {}}, at + huge + trailer_bytes), "too large"));
  CHECK(contains(said({1, 0, at, 8, 8, {}}, most_total + 1), "too large"));
  CHECK(contains(said({1, 1, at, 8, 8 * 65, {}}, at + 8 + trailer_bytes), "sizes do not fit"));
  CHECK(contains(said({1, 0, at, 8, 9, {}}, at + 8 + trailer_bytes), "sizes do not fit"));
  CHECK(contains(said({1, 2, at, 8, 8, {}}, at + 8 + trailer_bytes), "unknown way"));
  CHECK(contains(said({1, 0, at - 1, 8, 8, {}}, at + 8 + trailer_bytes), "overlap"));
  CHECK(contains(said({1, 0, ~0ull, 8, 8, {}}, at + 8 + trailer_bytes), "overlap"));
  CHECK(contains(said({1, 0, at, 8, 8, {}}, at + 9 + trailer_bytes), "do not fill"));
}

TEST_CASE("a text that packs better than a reader believes is stored unpacked") {
  Artifact a = sample_artifact();
  a.ptx = std::string(1 << 20, '/');
  std::string bytes = write_entry(a, "");
  CHECK(Entry::open(bytes)->artifact().ptx == a.ptx);
}

TEST_CASE("a packed section that gives another size than the table says is damaged") {
  std::string packed = pack("three");
  CHECK(unpack(packed, 5) == "three");
  CHECK(thrown([&] { unpack(packed, 6); }).code() == Code::damaged);
  CHECK(thrown([&] { unpack(packed, 4); }).code() == Code::damaged);
  CHECK(thrown([&] { unpack("no zstd frame", 5); }).code() == Code::damaged);
}

TEST_CASE("a section over the limit is not written") {
  Artifact a = sample_artifact();
  a.cubin.assign(most_section + 1, 'x');
  CHECK(thrown([&] { write_entry(a, ""); }).code() == Code::argument);
}

TEST_CASE("a section of an unknown id is skipped") {
  Artifact a = sample_artifact();
  a.log.clear();
  std::string bytes = write_entry(a, "created=1\n");
  std::optional<Entry> entry = Entry::open(bytes);
  CHECK_FALSE(entry->has(Section::log));
  CHECK(entry->section(static_cast<Section>(77)).empty());
}
}  // namespace
}  // namespace pagejit::cache
