#include "runtime/cache/entry_layer.h"

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/adopt.h"
#include "runtime/cache/file.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
constexpr int exact = 3, same_compiler = 2, other = 1, nobody = 0;

int whose(std::string_view producer, const Wanted& wanted, bool any) {
  if (known_bad(producer)) return nobody;
  if (!wanted.compiler.empty() && producer == full_producer(wanted.compiler, wanted.assembler)) return exact;
  if (wanted.only_exact) return nobody;
  if (!wanted.compiler.empty() && compiler_part(producer) == compiler_part(wanted.compiler)) return same_compiler;
  return any || wanted.any_producer || wanted.compiler.empty() ? other : nobody;
}
}  // namespace

Merit merit_of(std::string_view producer, std::string_view chip, int driver, const Wanted& wanted, bool any) {
  Merit merit{whose(producer, wanted, any), false, driver};
  // Code of an older driver runs too, and is taken where it was chosen or where nothing better can be made.
  bool takes_older = any || wanted.any_producer;
  if (!wanted.chip.empty() && chip == wanted.chip)
    merit.fits = driver == wanted.driver || (takes_older && driver <= wanted.driver);
  return merit;
}

std::optional<Hit> EntryLayer::get(const Wanted& wanted) {
  for (bool again : {false, true}) try {
      return find(wanted);
    } catch (const ReadFailed& e) {
      if (again) warn_once("read " + name_, e.message() + " in " + name_ + "; the kernel is made instead");
    }
  return std::nullopt;
}

std::optional<Hit> EntryLayer::find(const Wanted& wanted) {
  std::string ours;
  if (!wanted.compiler.empty()) {
    ours = entry_name(wanted.request, full_producer(wanted.compiler, wanted.assembler));
    if (auto candidate = consider(ours, wanted))
      if (auto hit = read(std::move(*candidate), wanted)) return hit;
  }
  auto best = best_candidate(wanted, ours);
  return best ? read(std::move(*best), wanted) : std::nullopt;
}

std::optional<EntryLayer::Candidate> EntryLayer::consider(const std::string& file, const Wanted& wanted) {
  try {
    std::optional<Entry> entry = open(file);
    // The name's hashes only found a candidate: the text decides.
    if (!entry || entry->key_text() != wanted.request.key_text) return std::nullopt;
    KernelFacts facts = entry->facts();
    Merit merit = merit_of(entry->producer(), facts.chip, facts.driver, wanted, any_producer());
    if (merit.whose == nobody) return std::nullopt;
    return Candidate{file, std::move(*entry), std::move(facts), merit};
  } catch (const ReadFailed&) {
    throw;
  } catch (const Error& e) {
    refuse(file, e.code(), e.message());
    return std::nullopt;
  }
}

std::vector<std::string> EntryLayer::candidates(const Wanted& wanted) const {
  return names(entry_prefix(wanted.request));
}

std::optional<EntryLayer::Candidate> EntryLayer::best_candidate(const Wanted& wanted, const std::string& but_not) {
  std::optional<Candidate> best;
  for (const std::string& file : candidates(wanted)) {
    if (file == but_not) continue;
    std::optional<Candidate> candidate = consider(file, wanted);
    if (candidate && (!best || candidate->merit > best->merit)) best = std::move(candidate);
  }
  return best;
}

std::optional<Hit> EntryLayer::read(Candidate candidate, const Wanted& wanted) {
  try {
    bool launchable = candidate.merit.fits && candidate.entry.has(Section::cubin);
    Artifact artifact = launchable && !wanted.complete ? candidate.entry.launchable() : candidate.entry.artifact();
    if (artifact.ptx.empty() && !launchable) return std::nullopt;  // another chip's machine code alone is of no use
    if (!launchable && !wanted.chip.empty()) artifact.cubin.clear();
    used(candidate.file);
    if (adopted_) adopted_->adopt(candidate.file, candidate.entry.bytes());
    return Hit{std::move(artifact), name_, candidate.file};
  } catch (const ReadFailed&) {
    throw;
  } catch (const Error& e) {
    refuse(candidate.file, e.code(), e.message());
    return std::nullopt;
  }
}

void EntryLayer::note(const Event& event) const {
  if (journal_) journal_->note(event);
}

void EntryLayer::reject(const std::string& file, const std::string& reason) {
  refuse(file, Code::damaged, reason);
}

void EntryLayer::refuse(const std::string& file, Code code, const std::string& reason) {
  std::string moved = put_aside(file);
  note({.kind = Event::Kind::quarantine, .layer = kind(), .cause = reason});
  Error error(code, "a cache entry is not used: " + reason,
              {{"layer", name_},
               {"name", file},
               {"moved to", moved.empty() ? "nowhere: the layer is only read" : moved},
               {"instead", "the kernel is made again"}});
  warn_once((code == Code::signature ? "signature " : "damaged ") + name_, error.what());
}

std::vector<Sibling> EntryLayer::siblings(const Request& request) {
  std::vector<Sibling> found;
  for (const std::string& file : names(hex64(request.spec_id) + "-")) try {
      if (std::optional<Entry> entry = open(file)) found.push_back({file, entry->key_text(), entry->producer(), false});
    } catch (const Error&) {
      found.push_back({file, {}, {}, true});
    }
  return found;
}

void EntryLayer::each_key(const std::function<bool(const std::string&)>& visit) {
  for (const std::string& file : names("")) try {
      std::optional<Entry> entry = open(file);
      if (entry && !visit(entry->key_text())) return;
    } catch (const Error&) {
      // A damaged file is moved away by whoever wants it; here it is only not a neighbour.
    }
}

}  // namespace pagejit::cache
