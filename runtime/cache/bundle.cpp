#include "runtime/cache/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/bundle_format.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/file.h"
#include "runtime/cache/sections.h"
#include "runtime/cache/trust.h"

namespace pagejit::cache {
namespace {
void require(bool holds, std::string_view what) {
  if (!holds) fail(Code::damaged, fmt::format("a bundle is damaged: {}", what));
}

Fd open_bundle(const std::string& path, std::uint64_t& size) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    fail(Code::unsafe_cache, "a bundle cannot be read",
         {{"path", path}, {"reason", fd ? "it is no file" : std::strerror(errno)}, {"instead", "it is not used"}});
  require_trusted(path, status, S_IWOTH, "the bundle is not used");
  size = static_cast<std::uint64_t>(status.st_size);
  return fd;
}

Bundle::Item take_item(Cursor& cursor) {
  Bundle::Item item;
  for (std::uint64_t& id : item.ids) id = cursor.take<std::uint64_t>();
  item.offset = cursor.take<std::uint64_t>();
  item.bytes = cursor.take<std::uint64_t>();
  item.hash.low = cursor.take<std::uint64_t>();
  item.hash.high = cursor.take<std::uint64_t>();
  return item;
}
}  // namespace

std::string Bundle::Item::name() const {
  return fmt::format("{}-{}-{}.pj", hex64(ids[0]), hex64(ids[1]), hex64(ids[2]));
}

Bundle::Bundle(const std::string& path) {
  std::uint64_t size = 0;
  Fd fd = open_bundle(path, size);
  require(size >= bundle_header(0) + trailer_bytes, "the file is shorter than a header");
  read_ = reader(std::move(fd), size);
  std::string head = read_(0, bundle_fixed);
  require(head.starts_with(bundle_magic), "it does not begin with PJBUNDLE");
  Cursor cursor(std::string_view(head).substr(bundle_magic.size()));
  auto format = cursor.take<std::uint32_t>(), flags = cursor.take<std::uint32_t>();
  if (format > bundle_format)
    fail(Code::damaged, fmt::format("a bundle has format {}, and this build knows {}", format, bundle_format));
  require(format == bundle_format && flags == 0, "format or flags are none that ever were");
  auto count = cursor.take<std::uint64_t>();
  require(cursor.take<std::uint64_t>() == size, "the file's length is not what the header says");
  // Before anything is allocated for them; the second also keeps the next line's product from overflowing.
  require(count <= most_bundle_entries && count <= size / bundle_row, "it says that it has too many entries");
  read_index(count, size);
}

void Bundle::read_index(std::uint64_t count, std::uint64_t size) {
  std::uint64_t header = bundle_header(count), offset = header;
  require(header + trailer_bytes <= size, "the file is shorter than its index");
  std::string head = read_(0, header);
  std::string_view hashed = std::string_view(head).substr(0, header - hash_bytes);
  Cursor stored(std::string_view(head).substr(hashed.size()));
  Hash hash = hash_of(hashed);
  require(stored.take<std::uint64_t>() == hash.low && stored.take<std::uint64_t>() == hash.high,
          "the index's hash differs");
  Cursor cursor(hashed.substr(bundle_fixed));
  items_.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Item item = take_item(cursor);
    require(item.bytes <= most_total, "an entry is too large");
    require(item.offset == offset, "entries overlap or leave gaps");
    require(items_.empty() || items_.back().ids < item.ids, "the index is not sorted");
    offset += item.bytes;
    items_.push_back(item);
  }
  require(offset + trailer_bytes == size, "the entries do not fill the file");
  std::string trailer = read_(offset, trailer_bytes);
  Cursor end(trailer);
  require(end.take<std::uint64_t>() == size && std::string_view(trailer).substr(8) == bundle_magic,
          "the trailer differs");
}

const Bundle::Item* Bundle::find(const std::string& name) const {
  auto at = std::lower_bound(items_.begin(), items_.end(), name,
                             [](const Item& item, const std::string& wanted) { return item.name() < wanted; });
  return at != items_.end() && at->name() == name ? &*at : nullptr;
}

std::string Bundle::read(const Item& item) const {
  std::string bytes = read_(item.offset, item.bytes);
  require(hash_of(bytes) == item.hash, "an entry's hash differs");
  return bytes;
}

void Bundle::verify() const {
  for (const Item& item : items_)
    if (std::optional<Entry> entry = open_checked(read(item), item.name(), nullptr)) verify_entry(*entry);
}

BundleLayer::BundleLayer(const std::string& path, std::shared_ptr<const SigningKey> key,
                         std::shared_ptr<Journal> journal)
    : EntryLayer(path, std::move(journal)), bundle_(path), key_(std::move(key)) {}

std::vector<std::string> BundleLayer::names(const std::string& prefix) const {
  std::vector<std::string> found;
  const auto& items = bundle_.items();
  auto at = std::lower_bound(items.begin(), items.end(), prefix,
                             [](const Bundle::Item& item, const std::string& p) { return item.name() < p; });
  for (; at != items.end() && at->name().starts_with(prefix); ++at) found.push_back(at->name());
  return found;
}

std::optional<Entry> BundleLayer::open(const std::string& file) const {
  const Bundle::Item* item = bundle_.find(file);
  return item ? open_checked(bundle_.read(*item), file, key_.get()) : std::nullopt;
}

std::optional<Entry> open_checked(std::string bytes, const std::string& name, const SigningKey* key) {
  if (key) key->check(bytes);
  std::optional<Entry> entry = Entry::own(std::move(bytes));
  if (entry && name_of(*entry) != name) fail(Code::damaged, "it is another kernel's entry under this name");
  return entry;
}

}  // namespace pagejit::cache
