#include "runtime/cache/signature.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#ifdef PAGEJIT_WITH_SIGNATURES
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#endif

#include "runtime/base/error.h"
#include "runtime/cache/file.h"
#include "runtime/cache/sections.h"
#include "runtime/cache/trust.h"

namespace pagejit::cache {
namespace {
constexpr std::size_t least_key = 32, most_key = 4096;
constexpr char instead[] = "bundles and the remote store are not used";

[[noreturn]] void wrong(const std::string& what) {
  fail(Code::signature, "a cache entry is not authentic: " + what);
}

Fd open_key(const std::string& path, struct stat& status) {
  Fd fd = open_to_read(AT_FDCWD, path);
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    fail(Code::unsafe_cache, "the signing key cannot be read",
         {{"path", path}, {"reason", std::strerror(fd ? EINVAL : errno)}, {"instead", instead}});
  return fd;
}
}  // namespace

#ifdef PAGEJIT_WITH_SIGNATURES
std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string mac(32, '\0');
  unsigned length = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
            text.size(), reinterpret_cast<unsigned char*>(mac.data()), &length) ||
      length != mac.size())
    fail(Code::internal, "libcrypto cannot compute an HMAC");
  return mac;
}

static bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}
#else
std::string hmac_sha256(std::string_view, std::string_view) {
  fail(Code::absent, "this build cannot check signatures",
       {{"looked for", "libcrypto, when pagejit was built (PAGEJIT_WITH_SIGNATURES)"}, {"instead", instead}});
}

static bool same(std::string_view, std::string_view) {
  return false;
}
#endif

std::shared_ptr<const SigningKey> SigningKey::load(const std::string& path) {
  struct stat status {};
  Fd fd = open_key(path, status);
  require_trusted(path, status, S_IRWXG | S_IRWXO, instead);
  auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes < least_key || bytes > most_key)
    fail(Code::unsafe_cache, fmt::format("the signing key has {} bytes", bytes),
         {{"path", path},
          {"expected", fmt::format("{} to {} random bytes", least_key, most_key)},
          {"instead", instead}});
  auto key = std::make_shared<const SigningKey>(reader(std::move(fd), bytes)(0, bytes));
  hmac_sha256(key->secret_, "");  // a build that cannot check must not trust
  return key;
}

std::string SigningKey::sign(std::string_view entry) const {
  std::optional<Entry> open = Entry::open(entry);
  if (!open) fail(Code::argument, "an entry of a newer format cannot be signed");
  std::vector<StoredSection> sections = without(sections_of(*open), Section::auth);
  std::string mac = hmac_sha256(secret_, join_sections(sections));
  sections.push_back({static_cast<std::uint32_t>(Section::auth), 0, mac.size(), mac});
  return join_sections(sections);
}

void SigningKey::check(std::string_view entry) const {
  std::optional<Entry> open = Entry::open(entry);
  if (!open) return;  // of a newer format: nobody takes it
  if (!open->has(Section::auth)) wrong("it has no signature");
  if (!same(sign(entry), entry)) wrong("its signature is wrong");
}

}  // namespace pagejit::cache
