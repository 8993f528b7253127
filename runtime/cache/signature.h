// HMAC-SHA-256 of entries that come from elsewhere: who has the key made them. Checksums are against accidents only.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace pagejit::cache {

/// A secret that whoever may make entries for this process shares with it.
class SigningKey {
 public:
  /// Every byte of the file counts, a newline at its end too. Throws Error(unsafe_cache) where it is shorter than 32
  /// bytes, of another user, or readable by others; Error(absent) where this build cannot sign.
  static std::shared_ptr<const SigningKey> load(const std::string& path);
  explicit SigningKey(std::string secret) : secret_(std::move(secret)) {}

  /// The entry with section AUTH: the HMAC of the entry as it is without that section.
  std::string sign(std::string_view entry) const;
  /// Throws Error(signature) unless signing gives exactly these bytes, so that no byte is left out.
  void check(std::string_view entry) const;

 private:
  std::string secret_;
};

/// 32 bytes. Throws Error(absent) where this build has no libcrypto.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace pagejit::cache
