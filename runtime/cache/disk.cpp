#include "runtime/cache/disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
constexpr int exact_rank = 3, same_compiler_rank = 2, other_rank = 1, no_rank = 0;

}  // namespace

Disk::Disk(std::string path, Use use, DiskOptions options)
    : path_(std::move(path)),
      use_(use),
      options_(std::move(options)),
      folder_(open_root(path_, use == Use::read_only ? Access::read_only
                               : options_.group      ? Access::group
                                                     : Access::own)),
      writable_(use == Use::read_write) {}

/// Whose bytes will do. A read-only layer was chosen by whoever runs this: any of its producers will.
int Disk::rank_of(const std::string& producer, const Wanted& wanted) const {
  if (known_bad(producer)) return no_rank;
  if (!wanted.compiler.empty() && producer == full_producer(wanted.compiler, wanted.assembler)) return exact_rank;
  if (wanted.only_exact) return no_rank;
  if (!wanted.compiler.empty() && compiler_part(producer) == compiler_part(wanted.compiler)) return same_compiler_rank;
  bool any = wanted.any_producer || wanted.compiler.empty() || use_ == Use::read_only;
  return any ? other_rank : no_rank;
}

/// Whether the cubin of an entry with these facts runs here as it is. Code of an older driver does too, and is taken
/// where it was chosen or where nothing better can be made.
bool Disk::fits(const KernelFacts& facts, const Wanted& wanted) const {
  if (wanted.chip.empty() || facts.chip != wanted.chip) return false;
  if (facts.driver == wanted.driver) return true;
  return (wanted.any_producer || use_ == Use::read_only) && facts.driver <= wanted.driver;
}

/// The one thing that a hit may write: the time of last use, to the hour.
void Disk::note_use(const std::string& file) {
  if (!writable_) return;
  std::string path = shard_of(file) + "/" + file;
  struct stat status;
  if (fstatat(folder(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && std::time(nullptr) - status.st_mtime > 3600)
    utimensat(folder(), path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void Disk::note(const Event& event) {
  if (options_.journal) options_.journal->note(event);
}

std::optional<Entry> Disk::open(const std::string& file) const {
  Fd fd = open_to_read(folder_.get(), shard_of(file) + "/" + file);
  if (!fd) return std::nullopt;
  std::int64_t size = size_of(fd.get());
  if (size < 0) return std::nullopt;
  auto bytes = static_cast<std::uint64_t>(size);
  return Entry::open(reader(std::move(fd), bytes), bytes);
}

std::optional<Disk::Candidate> Disk::consider(const std::string& file, const Wanted& wanted) {
  try {
    std::optional<Entry> entry = open(file);
    // The name's hashes only found a candidate: the text decides.
    if (!entry || entry->key_text() != wanted.request.key_text) return std::nullopt;
    int rank = rank_of(entry->producer(), wanted);
    if (rank == no_rank) return std::nullopt;
    KernelFacts facts = entry->facts();
    return Candidate{file, std::move(*entry), std::move(facts), rank};
  } catch (const ReadFailed&) {
    throw;
  } catch (const Error& e) {
    reject(file, e.message());
    return std::nullopt;
  }
}

std::optional<Disk::Candidate> Disk::best_sibling(const Wanted& wanted, const std::string& but_not) {
  std::string prefix = entry_prefix(wanted.request);
  std::optional<Candidate> best;
  auto better = [&](const Candidate& a, const Candidate& b) {
    auto merit = [&](const Candidate& c) { return std::tuple(c.rank, fits(c.facts, wanted), c.facts.driver); };
    return merit(a) > merit(b);
  };
  for (const std::string& file : names_in(folder_.get(), shard_of(prefix))) {
    if (!file.starts_with(prefix) || !file.ends_with(".pj") || file == but_not) continue;
    std::optional<Candidate> candidate = consider(file, wanted);
    if (candidate && (!best || better(*candidate, *best))) best = std::move(candidate);
  }
  return best;
}

std::optional<Hit> Disk::read(Candidate candidate, const Wanted& wanted) {
  try {
    bool launchable = fits(candidate.facts, wanted) && candidate.entry.has(Section::cubin);
    Artifact artifact = launchable && !wanted.complete ? candidate.entry.launchable() : candidate.entry.artifact();
    if (artifact.ptx.empty() && !launchable) return std::nullopt;  // another chip's machine code alone is of no use
    if (!launchable && !wanted.chip.empty()) artifact.cubin.clear();
    note_use(candidate.file);
    return Hit{std::move(artifact), path_, candidate.file};
  } catch (const ReadFailed&) {
    throw;
  } catch (const Error& e) {
    reject(candidate.file, e.message());
    return std::nullopt;
  }
}

std::optional<Hit> Disk::get(const Wanted& wanted) {
  for (bool again : {false, true}) try {
      return find(wanted);
    } catch (const ReadFailed& e) {
      if (again) warn_once("read " + path_, e.message() + " in " + path_ + "; the kernel is made instead");
    }
  return std::nullopt;
}

std::optional<Hit> Disk::find(const Wanted& wanted) {
  std::string exact;
  if (!wanted.compiler.empty()) {
    exact = entry_name(wanted.request, full_producer(wanted.compiler, wanted.assembler));
    if (auto candidate = consider(exact, wanted))
      if (auto hit = read(std::move(*candidate), wanted)) return hit;
  }
  auto sibling = best_sibling(wanted, exact);
  return sibling ? read(std::move(*sibling), wanted) : std::nullopt;
}

std::vector<Sibling> Disk::siblings(const Request& request) {
  std::vector<Sibling> found;
  std::string spec = hex64(request.spec_id) + "-";
  for (const std::string& file : names_in(folder(), shard_of(spec))) {
    if (!file.starts_with(spec) || !file.ends_with(".pj")) continue;
    try {
      if (std::optional<Entry> entry = open(file)) found.push_back({file, entry->key_text(), entry->producer(), false});
    } catch (const Error&) {
      found.push_back({file, {}, {}, true});
    }
  }
  for (const std::string& file : names_in(folder(), "bad"))
    if (file.starts_with(spec)) found.push_back({file, {}, {}, true});
  return found;
}

std::vector<std::string> Disk::files() const {
  std::vector<std::string> all;
  for (const std::string& shard : names_in(folder_.get(), "objects"))
    for (const std::string& file : names_in(folder_.get(), "objects/" + shard))
      if (file.ends_with(".pj")) all.push_back(file);
  return all;
}

void Disk::each_key(const std::function<bool(const std::string&)>& visit) {
  for (const std::string& file : files()) {
    try {
      std::optional<Entry> entry = open(file);
      if (entry && !visit(entry->key_text())) return;
    } catch (const Error&) {
      // A damaged file is moved away by whoever wants it; here it is only not a neighbour.
    }
  }
}

}  // namespace pagejit::cache
