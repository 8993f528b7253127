// The private root's tree adopted/: copies of entries that other layers had, so that each is fetched once.
#pragma once
#include <memory>
#include <string>

#include "runtime/cache/collect.h"
#include "runtime/cache/entry_layer.h"
#include "runtime/cache/file.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {

/// Counts as a read-only layer: any producer's code is taken from it, as it was where it came from.
class Adopted : public EntryLayer {
 public:
  struct Options {
    bool write = true;
    Limits limits;
    std::shared_ptr<const SigningKey>
        key;  // then everything in it is signed, so that what came before a key is not used
    std::shared_ptr<Journal> journal;
  };
  /// `folder` is the private root's v1, of which it takes a descriptor of its own.
  Adopted(const std::string& root, int folder, Options options);

  /// Keeps an entry that has passed every check of the layer that it came from. A failure is no news: it is fetched
  /// again.
  void adopt(const std::string& file, const std::string& bytes);

  std::string_view kind() const override { return "adopted"; }
  std::vector<std::string> names(const std::string& prefix) const override;
  std::optional<Entry> open(const std::string& file) const override;
  std::string put_aside(const std::string& file) override;

 private:
  void used(const std::string& file) override;

  Options options_;
  Fd folder_;
};

}  // namespace pagejit::cache
