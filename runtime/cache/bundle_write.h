// Makes bundles, and takes them apart.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/cache/bundle.h"
#include "runtime/cache/file.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {

/// Collects entries in any order; equal entries give equal bundles. What is not reproducible (HISTORY) is dropped, and
/// with a key each entry is signed. Nothing is at `path` before finish().
class BundleWriter {
 public:
  /// Throws Error(unsafe_cache) where `path` cannot be written.
  explicit BundleWriter(std::string path, std::shared_ptr<const SigningKey> key = nullptr);
  BundleWriter(const BundleWriter&) = delete;

  /// The bytes of an entry's file, as write_entry() gives them. False where the bundle has an entry of that name: the
  /// first stays. Throws Error(damaged), and leaves the bundle as it was.
  bool add(std::string_view entry);
  std::size_t size() const { return items_.size(); }
  /// Puts the bundle in place, or throws Error(unsafe_cache) and leaves there what was.
  void finish();

 private:
  std::string index(std::uint64_t& total) const;

  std::string path_;
  std::shared_ptr<const SigningKey> key_;
  Fd spool_;  // the entries as they came; it has no name
  std::uint64_t spooled_ = 0;
  std::map<std::array<std::uint64_t, 3>, Bundle::Item> items_;  // offsets are the spool's
};

struct BundleCounts {
  std::size_t added = 0, present = 0, refused = 0;
};

/// Adds what a cache folder holds, adopted entries too. Damaged entries are refused.
BundleCounts add_folder(BundleWriter& writer, const std::string& root);
/// Puts all entries into the private root `root`, which is made if need be. Refused: damaged ones and, with a key,
/// those without its signature.
BundleCounts extract_bundle(const Bundle& bundle, const std::string& root, const SigningKey* key = nullptr);

}  // namespace pagejit::cache
