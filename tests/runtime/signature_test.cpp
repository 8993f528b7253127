#include "runtime/cache/signature.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "runtime/cache/entry.h"
#include "runtime/cache/sections.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"
#include "tests/support/skip.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

const SigningKey key(std::string(32, 'k'));

std::string hex(std::string_view bytes) {
  std::string text;
  for (unsigned char c : bytes) text += "0123456789abcdef"[c >> 4], text += "0123456789abcdef"[c & 15];
  return text;
}

/// What SigningKey::load says of a file with these bytes and this mode.
Error refusal(const std::string& bytes, mode_t mode) {
  TempFolder folder;
  std::string path = folder.path() + "/key";
  write_file(path, bytes);
  chmod(path.c_str(), mode);
  return thrown([&] { SigningKey::load(path); });
}

TEST_CASE("HMAC-SHA-256 gives what RFC 4231 says") {
  struct Vector {
    std::string key, text, mac;
  };
  const Vector vectors[] = {
      {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const Vector& v : vectors) CHECK(hex(hmac_sha256(v.key, v.text)) == v.mac);
}

TEST_CASE("a signed entry is authentic, holds what it held, and signing it again changes nothing") {
  Artifact a = sample_artifact();
  std::string plain = write_entry(a, ""), signed_bytes = key.sign(plain);
  key.check(signed_bytes);
  CHECK(key.sign(signed_bytes) == signed_bytes);
  CHECK(Entry::open(signed_bytes)->artifact().ptx == a.ptx);
  CHECK(join_sections(without(sections_of(*Entry::open(signed_bytes)), Section::auth)) == plain);
}

TEST_CASE("an entry without a signature, or with another key's, is PJ0010") {
  std::string plain = write_entry(sample_artifact(), "");
  Error without = thrown([&] { key.check(plain); });
  CHECK(without.code() == Code::signature);
  CHECK(contains(without.what(), "has no signature"));
  Error wrong = thrown([&] { key.check(SigningKey(std::string(32, 'x')).sign(plain)); });
  CHECK(wrong.code() == Code::signature);
  CHECK(contains(wrong.what(), "PJ0010"));
}

TEST_CASE("a signature moved to another entry, or over a changed section, is wrong") {
  Artifact a = sample_artifact(), b = a;
  b.cubin += "!";
  std::string first = key.sign(write_entry(a, "")), second = key.sign(write_entry(b, ""));
  std::vector<StoredSection> mine = sections_of(*Entry::open(first)), theirs = sections_of(*Entry::open(second));
  theirs.back() = mine.back();  // AUTH, with every checksum made right again
  CHECK(thrown([&] { key.check(join_sections(theirs)); }).code() == Code::signature);
  for (std::size_t i = 0; i + 1 < mine.size(); ++i) {
    std::vector<StoredSection> spoilt = mine;
    spoilt.erase(spoilt.begin() + static_cast<std::ptrdiff_t>(i));
    CAPTURE(i);
    CHECK(thrown([&] { key.check(join_sections(spoilt)); }).code() == Code::signature);
  }
}

TEST_CASE("no byte of a signed entry can change unseen, whoever made the checksums") {
  std::string bytes = key.sign(write_entry(sample_artifact(), "")), spoilt = bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i >= 8 && i < 12) continue;  // the format number: such an entry is not there
    spoilt[i] ^= 1;
    CAPTURE(i);
    Code code = thrown([&] { key.check(spoilt); }).code();
    CHECK((code == Code::damaged || code == Code::signature));
    spoilt[i] = bytes[i];
  }
}

TEST_CASE("a key is taken from a file of at least 32 bytes that nobody else may read") {
  TempFolder folder;
  std::string path = folder.path() + "/key", secret(32, 's');
  write_file(path, secret);
  chmod(path.c_str(), 0600);
  std::string entry = write_entry(sample_artifact(), "");
  CHECK(SigningKey::load(path)->sign(entry) == SigningKey(secret).sign(entry));

  Error brief = refusal(std::string(31, 's'), 0600);
  CHECK(brief.code() == Code::unsafe_cache);
  CHECK(contains(brief.what(), "31 bytes"));
  for (mode_t mode : {0640, 0604, 0660}) {
    Error open = refusal(secret, mode);
    CHECK(contains(open.what(), "PJ0009"));
    CHECK(contains(open.what(), "open to others"));
  }
  CHECK(contains(thrown([&] { SigningKey::load(folder.path() + "/none"); }).what(), "No such file"));
}
}  // namespace
}  // namespace pagejit::cache
