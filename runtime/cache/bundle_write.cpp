#include "runtime/cache/bundle_write.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "runtime/base/error.h"
#include "runtime/cache/bundle_format.h"
#include "runtime/cache/codec.h"
#include "runtime/cache/collect.h"
#include "runtime/cache/root.h"
#include "runtime/cache/sections.h"
#include "runtime/cache/usage.h"

namespace pagejit::cache {
namespace {
[[noreturn]] void cannot_write(const std::string& path) {
  fail(Code::unsafe_cache, "a bundle cannot be written", {{"path", path}, {"reason", std::strerror(errno)}});
}

/// A new file beside `path`, so that a rename can put it there.
Fd file_beside(const std::string& path, std::string& name) {
  name = path + ".XXXXXX";
  Fd fd(mkostemp(name.data(), O_CLOEXEC));
  if (!fd) cannot_write(path);
  return fd;
}

Fd unnamed_beside(const std::string& path) {
  std::string name;
  Fd fd = file_beside(path, name);
  unlink(name.c_str());
  return fd;
}

/// A bundle is made to be shared: as readable as any new file.
mode_t usual_mode() {
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask & ~static_cast<mode_t>(S_IWGRP | S_IWOTH);
}

bool copy(const ReadAt& from, std::uint64_t offset, std::uint64_t bytes, int to) {
  constexpr std::uint64_t step = 1 << 20;
  for (std::uint64_t done = 0; done < bytes; done += step)
    if (!write_all(to, from(offset + done, std::min(step, bytes - done)))) return false;
  return true;
}

void append_item(std::string& out, const Bundle::Item& item) {
  for (std::uint64_t id : item.ids) append(out, id);
  append(out, item.offset);
  append(out, item.bytes);
  append(out, item.hash.low);
  append(out, item.hash.high);
}
}  // namespace

BundleWriter::BundleWriter(std::string path, std::shared_ptr<const SigningKey> key)
    : path_(std::move(path)), key_(std::move(key)), spool_(unnamed_beside(path_)) {}

bool BundleWriter::add(std::string_view bytes) {
  std::optional<Entry> entry = Entry::open(bytes);
  if (!entry) fail(Code::damaged, "the entry's format is newer than this build knows");
  verify_entry(*entry);
  Request request = request_of_key(entry->key_text());
  Bundle::Item item{{request.spec_id, request.key_id, hash64(entry->producer())}, spooled_, 0, {}};
  if (items_.contains(item.ids)) return false;
  std::string kept = join_sections(without(without(sections_of(*entry), Section::history), Section::auth));
  if (key_) kept = key_->sign(kept);
  if (!write_all(spool_.get(), kept)) cannot_write(path_);
  item.bytes = kept.size();
  item.hash = hash_of(kept);
  spooled_ += item.bytes;
  items_.emplace(item.ids, item);
  return true;
}

std::string BundleWriter::index(std::uint64_t& total) const {
  std::uint64_t offset = bundle_header(items_.size());
  total = offset + spooled_ + trailer_bytes;
  std::string out(bundle_magic);
  append(out, bundle_format);
  append(out, std::uint32_t{0});
  append(out, static_cast<std::uint64_t>(items_.size()));
  append(out, total);
  for (auto [ids, item] : items_) {
    item.offset = offset;
    append_item(out, item);
    offset += item.bytes;
  }
  Hash hash = hash_of(out);
  append(out, hash.low);
  append(out, hash.high);
  return out;
}

void BundleWriter::finish() {
  if (items_.size() > most_bundle_entries) fail(Code::argument, "a bundle cannot hold that many entries");
  std::uint64_t total = 0;
  std::string name, head = index(total), trailer;
  append(trailer, total);
  trailer += bundle_magic;
  Fd file = file_beside(path_, name);
  ReadAt spool = reader(Fd(dup(spool_.get())), spooled_);
  bool done = write_all(file.get(), head);
  for (const auto& [ids, item] : items_) done = done && copy(spool, item.offset, item.bytes, file.get());
  done = done && write_all(file.get(), trailer) && fchmod(file.get(), usual_mode()) == 0 &&
         rename(name.c_str(), path_.c_str()) == 0;
  if (done) return;
  int error = errno;
  unlink(name.c_str());
  errno = error;
  cannot_write(path_);
}

BundleCounts add_folder(BundleWriter& writer, const std::string& root) {
  BundleCounts counts;
  Fd v1 = open_root(root, Access::read_only);
  for (const EntryFile& file : list_entries(v1.get())) try {
      bool added = writer.add(read_small(v1.get(), file.folder + "/" + file.name));
      ++(added ? counts.added : counts.present);
    } catch (const Error& e) {
      if (e.code() != Code::damaged) throw;
      ++counts.refused;
    }
  return counts;
}

BundleCounts extract_bundle(const Bundle& bundle, const std::string& root, const SigningKey* key) {
  BundleCounts counts;
  Fd v1 = open_root(root, Access::own);
  for (const Bundle::Item& item : bundle.items()) try {
      std::string bytes = bundle.read(item), path = shard_of(item.name()) + "/" + item.name();
      std::optional<Entry> entry = open_checked(bytes, item.name(), key);
      if (entry) verify_entry(*entry);
      struct stat status;
      if (fstatat(v1.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        ++counts.present;
        continue;
      }
      make_folder(v1.get(), shard_of(item.name()));
      if (!replace_small(v1.get(), path, bytes)) cannot_write(root + "/v1/" + path);
      add_usage(v1.get(), static_cast<std::int64_t>(bytes.size()), 1);
      ++counts.added;
    } catch (const Error& e) {
      if (e.code() != Code::damaged && e.code() != Code::signature) throw;
      ++counts.refused;
    }
  return counts;
}

}  // namespace pagejit::cache
