#include "runtime/cache/disk.h"

#include <sys/stat.h>

#include <ctime>
#include <string>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
constexpr int exact_rank = 3, same_compiler_rank = 2, other_rank = 1, no_rank = 0;

int rank_of(const std::string& producer, const Wanted& wanted) {
  if (!wanted.compiler.empty() && producer == full_producer(wanted.compiler, wanted.assembler)) return exact_rank;
  if (!wanted.compiler.empty() && compiler_part(producer) == compiler_part(wanted.compiler)) return same_compiler_rank;
  return wanted.any_producer || wanted.compiler.empty() ? other_rank : no_rank;
}

/// The one thing that a hit may write: the time of last use, to the hour.
void note_use(int fd) {
  struct stat status;
  if (fstat(fd, &status) == 0 && std::time(nullptr) - status.st_mtime > 3600) futimens(fd, nullptr);
}
}  // namespace

bool cubin_fits(const KernelFacts& facts, const Wanted& wanted) {
  if (wanted.chip.empty() || facts.chip != wanted.chip) return false;
  return facts.driver == wanted.driver || (wanted.any_producer && facts.driver <= wanted.driver);
}

Disk::Disk(std::string path, Use use)
    : path_(std::move(path)),
      use_(use),
      folder_(open_root(path_, use == Use::read_write)),
      writable_(use == Use::read_write) {}

std::optional<Entry> Disk::open(const std::string& file) const {
  Fd fd = open_to_read(folder_.get(), shard_of(file) + "/" + file);
  if (!fd) return std::nullopt;
  std::int64_t size = size_of(fd.get());
  if (size < 0) return std::nullopt;
  if (use_ == Use::read_write) note_use(fd.get());
  return Entry::open(reader(std::move(fd)), static_cast<std::uint64_t>(size));
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
  } catch (const Error& e) {
    reject(file, e.message());
    return std::nullopt;
  }
}

std::optional<Disk::Candidate> Disk::best_sibling(const Wanted& wanted, const std::string& but_not) {
  std::string prefix = entry_prefix(wanted.request);
  std::optional<Candidate> best;
  auto better = [&](const Candidate& a, const Candidate& b) {
    auto merit = [&](const Candidate& c) { return std::tuple(c.rank, cubin_fits(c.facts, wanted), c.facts.driver); };
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
    bool launchable = cubin_fits(candidate.facts, wanted) && candidate.entry.has(Section::cubin);
    Artifact artifact = launchable && !wanted.complete ? candidate.entry.launchable() : candidate.entry.artifact();
    if (artifact.ptx.empty() && !launchable) return std::nullopt;  // another chip's machine code alone is of no use
    return Hit{std::move(artifact), path_, candidate.file};
  } catch (const Error& e) {
    reject(candidate.file, e.message());
    return std::nullopt;
  }
}

std::optional<Hit> Disk::get(const Wanted& wanted) {
  std::string exact;
  if (!wanted.compiler.empty()) {
    exact = entry_name(wanted.request, full_producer(wanted.compiler, wanted.assembler));
    if (auto candidate = consider(exact, wanted))
      if (auto hit = read(std::move(*candidate), wanted)) return hit;
  }
  auto sibling = best_sibling(wanted, exact);
  return sibling ? read(std::move(*sibling), wanted) : std::nullopt;
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
