// Many entries in one file that is only read: something to put into a container image.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cache/entry_layer.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {

/// An open bundle. Its index is checked when it is opened, each entry when it is read. Every failed check throws
/// Error(damaged).
class Bundle {
 public:
  struct Item {
    std::array<std::uint64_t, 3> ids;  // spec, key, producer
    std::uint64_t offset = 0, bytes = 0;
    Hash hash;
    std::string name() const;  // "<spec>-<key>-<producer>.pj"
  };

  /// Throws Error(unsafe_cache) where it cannot be read, belongs to another user, or others may write it.
  explicit Bundle(const std::string& path);

  const std::vector<Item>& items() const { return items_; }  // sorted by name
  const Item* find(const std::string& name) const;
  /// An entry's bytes, which are what was put in.
  std::string read(const Item& item) const;
  /// Reads everything, as `pagejit-cache verify` does.
  void verify() const;

 private:
  void read_index(std::uint64_t count, std::uint64_t size);

  ReadAt read_;
  std::vector<Item> items_;
};

class BundleLayer : public EntryLayer {
 public:
  /// With a key, entries without its signature are refused.
  BundleLayer(const std::string& path, std::shared_ptr<const SigningKey> key, std::shared_ptr<Journal> journal);

  std::string_view kind() const override { return "bundle"; }
  std::vector<std::string> names(const std::string& prefix) const override;
  std::optional<Entry> open(const std::string& file) const override;

 private:
  Bundle bundle_;
  std::shared_ptr<const SigningKey> key_;
};

/// What `bytes` hold, once it is sure that it belongs under this name and, with a key, that its signature is right.
/// Throws Error(damaged | signature).
std::optional<Entry> open_checked(std::string bytes, const std::string& name, const SigningKey* key);

}  // namespace pagejit::cache
